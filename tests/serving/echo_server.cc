// The least that a gRPC server can do: answers each ModelInfer with the same bytes, over the callback API and with
// the limits of msqd. What msqd takes longer than this is its own.
//
//   echo_server FILE   FILE: the serialized ModelInferResponse. Prints "ready grpc=HOST:PORT"; ends with its input.
#include <cstdio>
#include <fstream>
#include <string>

#include <grpcpp/grpcpp.h>

#include "proto/inference.grpc.pb.h"
#include "server/server.h"

namespace {

class EchoService final : public inference::GRPCInferenceService::CallbackService {
 public:
  explicit EchoService(const inference::ModelInferResponse& answer) : answer_(answer) {}

  grpc::ServerUnaryReactor* ModelInfer(grpc::CallbackServerContext* context, const inference::ModelInferRequest*,
                                       inference::ModelInferResponse* response) override {
    *response = answer_;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const inference::ModelInferResponse answer_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: echo_server FILE\n"), 2;
  inference::ModelInferResponse answer;
  std::ifstream file(argv[1], std::ios::binary);
  if (!answer.ParseFromIstream(&file)) return std::fprintf(stderr, "echo_server: %s: is no answer\n", argv[1]), 1;
  EchoService service(answer);

  const msq::server::ServerOptions limits;
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  grpc::ResourceQuota quota("echo");
  quota.Resize(static_cast<size_t>(16 * limits.max_message_bytes));
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(static_cast<int>(limits.max_message_bytes));
  builder.SetMaxSendMessageSize(-1);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return std::fprintf(stderr, "echo_server: cannot listen\n"), 1;
  std::printf("ready grpc=127.0.0.1:%d\n", port);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

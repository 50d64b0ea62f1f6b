// The client against a server in this process: answers, errors that name the server, and clients that end while their
// calls are under way.
#include "clients/cpp/client.h"

#include <atomic>
#include <thread>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "proto/inference.grpc.pb.h"

namespace msq::client {
namespace {

// Answers ModelInfer with the request's id; the model "unknown" is NOT_FOUND.
class EchoService : public inference::GRPCInferenceService::Service {
 public:
  grpc::Status ModelInfer(grpc::ServerContext*, const inference::ModelInferRequest* request,
                          inference::ModelInferResponse* response) override {
    if (request->model_name() == "unknown") return {grpc::StatusCode::NOT_FOUND, "no such model"};
    response->set_id(request->id());
    return grpc::Status::OK;
  }
};

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    url_ = absl::StrCat("127.0.0.1:", port);
  }

  std::unique_ptr<Client> Connect() {
    auto client = Client::Connect(url_);
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

  EchoService service_;
  std::unique_ptr<grpc::Server> server_;
  std::string url_;
};

inference::ModelInferRequest Request(const std::string& model, const std::string& id) {
  inference::ModelInferRequest request;
  request.set_model_name(model);
  request.set_id(id);
  return request;
}

TEST_F(ClientTest, AnswersBothWays) {
  const auto client = Connect();
  const auto response = client->Infer(Request("m", "7"));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->id(), "7");

  std::atomic<int> right = 0, answered = 0;
  for (int i = 0; i < 20; ++i) {
    client->InferAsync(Request("m", absl::StrCat(i)), [&, i](const auto& answer) {
      right += answer.ok() && answer->id() == absl::StrCat(i);
      ++answered;
    });
  }
  while (answered < 20) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(right, 20);
}

TEST_F(ClientTest, ErrorsNameTheServer) {
  const auto client = Connect();
  const absl::Status status = client->Infer(Request("unknown", "")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), absl::StrCat(url_, ": no such model"));
  server_->Shutdown();
  const absl::Status nobody = Client::Connect(url_, absl::Milliseconds(50)).status();
  EXPECT_EQ(nobody.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StartsWith(nobody.message(), url_)) << nobody;
}

TEST_F(ClientTest, EndsOnlyWhenEveryCallHasEnded) {
  // Whoever lets go of a channel last ends gRPC's threads, and must not be one of them: a call may hold nothing of it when
  // the client is gone, however long its callback takes to go.
  struct SlowToGo {
    explicit SlowToGo(std::atomic<bool>* gone) : gone(gone) {}
    SlowToGo(const SlowToGo&) = delete;
    SlowToGo& operator=(const SlowToGo&) = delete;
    ~SlowToGo() {
      absl::SleepFor(absl::Milliseconds(50));
      *gone = true;
    }
    std::atomic<bool>* gone;
  };
  std::atomic<bool> gone = false;
  auto client = Connect();
  std::atomic<bool> answered = false;
  client->InferAsync(Request("m", "1"), [&answered, slow = std::make_shared<SlowToGo>(&gone)](const auto& response) {
    answered = response.ok();
  });
  client.reset();
  EXPECT_TRUE(answered);
  EXPECT_TRUE(gone) << "what the callback holds outlived the client";
}

}  // namespace
}  // namespace msq::client

#include "server/rpc/grpc_service.h"

#include <memory>
#include <utility>

#include "server/rpc/arena_messages.h"
#include "server/rpc/infer_stream.h"
#include "server/rpc/raw_message.h"
#include "server/rpc/status_to_grpc.h"
#include "server/rpc/unary_reactor.h"

namespace msq::server {
namespace {

using Context = grpc::CallbackServerContext;

Caller CallerOf(const Context& context) {
  const auto& metadata = context.client_metadata();
  const auto it = metadata.find("authorization");
  if (it == metadata.end()) return {};
  return {std::string(it->second.data(), it->second.size())};
}

// One ModelInfer under way.
class InferReactor final : public UnaryReactor {
 public:
  using UnaryReactor::UnaryReactor;

  inference::ModelInferRequest* request() { return messages_->request; }

  void Start(const Caller& caller, int64_t request_bytes) {
    InferenceCall call;
    call.request = messages_->request;
    call.response = messages_->response;
    call.bytes = request_bytes;
    call.deadline = DeadlineOf(*context_);
    call.done = [this](const absl::Status& status) { Answer(status); };
    request_ = core_->ModelInfer(caller, std::move(call));
  }

  // The messages go as soon as they are not needed any more: the client may take its time to read.
  void Answer(absl::Status status) {
    if (status.ok()) status = SerializeMessage(*messages_->response, answer_);
    messages_.reset();
    End(status);
  }

  void OnCancel() override { core_->Cancel(request_); }

 private:
  using Messages = ArenaMessages<inference::ModelInferRequest, inference::ModelInferResponse>;
  std::unique_ptr<Messages> messages_ = std::make_unique<Messages>();
  RequestHandle request_;
};

}  // namespace

template <typename Request>
absl::Status GrpcService::Read(const Caller& caller, grpc::ByteBuffer* bytes, Request* request, int64_t* memory) const {
  if (Request::descriptor()->field_count() == 0) return bytes->Clear(), absl::OkStatus();  // it says nothing
  absl::Status status = core_->Authorize(caller, Right::kRead, "");
  if (status.ok()) return ParseMessage(bytes, LayoutOf<Request>(), max_request_bytes_, request, memory);
  bytes->Clear();
  return status;
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* GrpcService::Answer(const Call& call,
                                              absl::Status (ProtocolService::*rpc)(const Caller&, const Request&,
                                                                                   Response*)) {
  auto* reactor = new UnaryReactor(core_, watch_, call.name, call.context, call.response);
  const Caller caller = CallerOf(*call.context);
  Request request;
  Response response;
  int64_t memory;
  absl::Status status = Read(caller, call.request, &request, &memory);
  if (status.ok()) status = (core_->*rpc)(caller, request, &response);
  reactor->Answer(status, response);
  return reactor;
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* GrpcService::Answer(const Call& call,
                                              void (ProtocolService::*rpc)(const Caller&, const Request&, Response*,
                                                                           ProtocolService::Done)) {
  struct Messages {
    Request request;
    Response response;
  };
  auto* reactor = new UnaryReactor(core_, watch_, call.name, call.context, call.response);
  const Caller caller = CallerOf(*call.context);
  const auto messages = std::make_shared<Messages>();
  int64_t memory;
  if (absl::Status status = Read(caller, call.request, &messages->request, &memory); !status.ok()) {
    reactor->Answer(status, messages->response);
    return reactor;
  }
  (core_->*rpc)(caller, messages->request, &messages->response,
                [reactor, messages](const absl::Status& status) { reactor->Answer(status, messages->response); });
  return reactor;
}

grpc::ServerUnaryReactor* GrpcService::ModelInfer(Context* context, const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* response) {
  auto* reactor = new InferReactor(core_, watch_, "ModelInfer", context, response);
  const Caller caller = CallerOf(*context);
  int64_t memory;
  const absl::Status status = Read(caller, const_cast<grpc::ByteBuffer*>(request), reactor->request(), &memory);
  status.ok() ? reactor->Start(caller, memory) : reactor->Answer(status);
  return reactor;
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* GrpcService::ModelStreamInfer(Context* context) {
  const auto read = [this, caller = CallerOf(*context)](grpc::ByteBuffer* bytes, inference::ModelInferRequest* request,
                                                        int64_t* memory) {
    return Read(caller, bytes, request, memory);
  };
  auto stream = std::make_shared<InferStream>(this, core_, watch_, context, CallerOf(*context), read);
  bool closing;
  {
    std::lock_guard lock(mutex_);
    streams_.emplace(stream.get(), stream);
    closing = closing_;
  }
  stream->Start();
  if (closing) stream->Close();
  return stream.get();
}

void GrpcService::CloseStreams() {
  std::map<const InferStream*, std::shared_ptr<InferStream>> streams;
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    streams = streams_;
  }
  for (const auto& [ignored, stream] : streams) stream->Close();  // without the lock: a stream may end at once
}

void GrpcService::Forget(const InferStream* stream) {
  std::unique_lock lock(mutex_);
  const auto forgotten = streams_.extract(stream);
  lock.unlock();
}

}  // namespace msq::server

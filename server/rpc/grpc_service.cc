#include "server/rpc/grpc_service.h"

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "base/log.h"
#include "server/protocol/reason.h"
#include "server/rpc/infer_stream.h"
#include "server/rpc/status_to_grpc.h"

namespace msq::server {
namespace {

// One ModelInfer under way; owns itself.
class InferReactor final : public grpc::ServerUnaryReactor {
 public:
  explicit InferReactor(ProtocolService* core) : core_(core) {}

  void Start(const Caller& caller, InferenceCall call) { request_ = core_->ModelInfer(caller, std::move(call)); }
  void OnCancel() override {
    if (request_ != nullptr) core_->Cancel(request_);
  }
  void OnDone() override { delete this; }

  // "Not API", but what gRPC's own default reactor says of itself: the two reactions above do so little that they run
  // where they fall due. Else each goes to gRPC's executor, whose one thread would wake up for every request.
  bool InternalInlineable() override { return true; }

 private:
  ProtocolService* const core_;
  RequestPtr request_;
};

}  // namespace

GrpcService::GrpcService(ProtocolService* core) : core_(core) {
  SetMessageAllocatorFor_ModelInfer(&infer_messages_);
}

Caller GrpcService::CallerOf(const Context& context) {
  const auto& metadata = context.client_metadata();
  const auto it = metadata.find("authorization");
  if (it == metadata.end()) return {};
  return {std::string(it->second.data(), it->second.size())};
}

void GrpcService::Finish(Context* context, const char* name, Reactor* reactor, const absl::Status& status) {
  if (GetLogSettings().verbose_level >= 1) {
    LogVerbose(1, "gRPC ", context->peer(), " ", name, ": ", absl::StatusCodeToString(status.code()));
  }
  if (const std::string reason = Reason(status); !reason.empty()) context->AddTrailingMetadata(kReasonMetadata, reason);
  reactor->Finish(ToGrpc(status));
}

grpc::ServerUnaryReactor* GrpcService::Answer(Context* context, const char* name, const absl::Status& status) {
  Reactor* reactor = context->DefaultReactor();
  Finish(context, name, reactor, status);
  return reactor;
}

grpc::ServerUnaryReactor* GrpcService::ModelInfer(Context* context, const inference::ModelInferRequest* request,
                                                  inference::ModelInferResponse* response) {
  auto* reactor = new InferReactor(core_);
  InferenceCall call;
  call.request = request;
  call.response = response;
  call.deadline = DeadlineOf(*context);
  call.done = [context, reactor](const absl::Status& status) { Finish(context, "ModelInfer", reactor, status); };
  reactor->Start(CallerOf(*context), std::move(call));
  return reactor;
}

grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
GrpcService::ModelStreamInfer(Context* context) {
  auto stream = std::make_shared<InferStream>(this, core_, context, CallerOf(*context));
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

#include "server/rpc/infer_stream.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "server/protocol/reason.h"
#include "server/rpc/arena_messages.h"
#include "server/rpc/grpc_service.h"
#include "server/rpc/raw_message.h"
#include "server/rpc/status_to_grpc.h"

namespace msq::server {
namespace {

// What one stream may hold, whether the daemon is slow or the client does not read: beyond it nothing more is read.
constexpr size_t kMaxExchanges = 128;
constexpr int64_t kMaxHeldBytes = int64_t{64} << 20;

constexpr char kFinalResponse[] = "triton_final_response";
constexpr char kErrorMetadata[] = "triton_grpc_error";

bool WantsGrpcErrors(const grpc::CallbackServerContext& context) {
  const auto it = context.client_metadata().find(kErrorMetadata);
  return it != context.client_metadata().end() && it->second == "true";
}

}  // namespace

// One request and its answer.
struct InferStream::Exchange {
  using Messages = ArenaMessages<inference::ModelInferRequest, inference::ModelStreamInferResponse>;
  grpc::ByteBuffer wire;  // the request as it came, then the answer as it goes
  std::unique_ptr<Messages> messages = std::make_unique<Messages>();  // null: answered
  absl::Status status;
  RequestHandle handle;
  HeldBytes held;     // of an answer
  int64_t bytes = 0;  // of what is held: the request, then the answer
};

InferStream::InferStream(GrpcService* service, ProtocolService* core, AnswerWatch* watch,
                         grpc::CallbackServerContext* context, Caller caller, Read read)
    : service_(service),
      core_(core),
      watch_(watch),
      context_(context),
      caller_(std::move(caller)),
      read_(std::move(read)),
      deadline_(DeadlineOf(*context)),
      errors_end_stream_(WantsGrpcErrors(*context)) {}

InferStream::~InferStream() = default;

void InferStream::Start() {
  ReadOn();
}

void InferStream::Close() {
  Step step;
  {
    std::lock_guard lock(mutex_);
    if (ending_) return;  // by itself, as soon as it has answered
    ending_ = true;
    end_ = WithReason(Unavailable("the server is shutting down"), kShuttingDown);
    step = NextStep();
  }
  Take(step);
}

void InferStream::OnReadDone(bool ok) {
  Exchange* exchange = nullptr;
  int64_t request_bytes = 0;
  absl::Status status;
  if (ok) status = read_(&incoming_->wire, incoming_->messages->request, &request_bytes);
  {
    std::lock_guard lock(mutex_);
    if (ok && !ending_) {
      exchange = incoming_.get();
      exchange->bytes = request_bytes;
      held_bytes_ += exchange->bytes;
      exchanges_.push_back(std::move(incoming_));
    }
    ending_ = ending_ || !ok;
  }
  if (exchange != nullptr) status.ok() ? Submit(exchange, request_bytes) : Answered(exchange, status);
  Step step;
  {
    std::lock_guard lock(mutex_);
    reading_ = false;  // only now: requests are submitted in the order in which they came
    step = NextStep();
  }
  ReadOn();
  Take(step);
}

void InferStream::Submit(Exchange* exchange, int64_t request_bytes) {
  InferenceCall call;
  call.request = exchange->messages->request;
  call.response = exchange->messages->response->mutable_infer_response();
  call.bytes = request_bytes;
  call.deadline = deadline_;
  call.done = [this, exchange](const absl::Status& status) { Answered(exchange, status); };
  const RequestHandle handle = core_->ModelInfer(caller_, std::move(call));
  bool cancel;
  {
    // The exchange may have been answered, written and freed.
    std::lock_guard lock(mutex_);
    const auto it = std::find_if(exchanges_.begin(), exchanges_.end(),
                                 [exchange](const auto& one) { return one.get() == exchange; });
    if (it == exchanges_.end()) return;
    (*it)->handle = handle;
    cancel = dropping_;
  }
  if (cancel) core_->Cancel(handle);
}

// On any thread; a stream that has nothing else to do may be gone when this returns.
void InferStream::Answered(Exchange* exchange, absl::Status status) {
  const inference::ModelInferRequest& request = *exchange->messages->request;
  inference::ModelStreamInferResponse* answer = exchange->messages->response;
  inference::ModelInferResponse* response = answer->mutable_infer_response();
  if (!status.ok()) {
    response->Clear();
    response->set_id(request.id());
    response->set_model_name(request.model_name());
    answer->set_error_message(std::string(Message(status)));
  }
  (*response->mutable_parameters())[kFinalResponse].set_bool_param(true);
  grpc::ByteBuffer wire;
  const absl::Status written = SerializeMessage(*answer, &wire);
  if (status.ok()) status = written;
  const auto bytes = static_cast<int64_t>(wire.Length());
  Step step;
  {
    std::lock_guard lock(mutex_);
    held_bytes_ += bytes - exchange->bytes;
    exchange->bytes = bytes;
    exchange->held = core_->Hold(bytes);
    exchange->wire.Swap(&wire);
    exchange->status = status;
    exchange->messages.reset();
    step = NextStep();
  }
  // Without anything to do here the stream may be gone: who does the rest may have ended it.
  if (step.write != nullptr || step.finish) Take(step);
}

void InferStream::OnWriteDone(bool ok) {
  sent_.Sent();
  Step step;
  {
    std::lock_guard lock(mutex_);
    Drop();
    writing_ = false;
    dropping_ = dropping_ || !ok;
    step = NextStep();
  }
  ReadOn();
  Take(step);
}

void InferStream::OnCancel() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    dropping_ = true;
  }
  CancelAll();
  Step step;
  {
    std::lock_guard lock(mutex_);
    step = NextStep();
  }
  Take(step);
}

void InferStream::OnDone() {
  service_->Forget(this);  // which deletes it
}

void InferStream::ReadOn() {
  {
    std::lock_guard lock(mutex_);
    if (reading_ || ending_ || exchanges_.size() >= kMaxExchanges || held_bytes_ >= kMaxHeldBytes) return;
    reading_ = true;
    incoming_ = std::make_unique<Exchange>();
  }
  StartRead(&incoming_->wire);
}

void InferStream::CancelAll() {
  std::vector<RequestHandle> handles;
  {
    std::lock_guard lock(mutex_);
    for (const auto& exchange : exchanges_) handles.push_back(exchange->handle);
  }
  for (const RequestHandle& handle : handles) core_->Cancel(handle);
}

void InferStream::Drop() {
  held_bytes_ -= exchanges_.front()->bytes;
  exchanges_.pop_front();
}

InferStream::Step InferStream::NextStep() {
  while (!writing_ && !exchanges_.empty() && exchanges_.front()->messages == nullptr) {
    const absl::Status& status = exchanges_.front()->status;
    if (errors_end_stream_ && !status.ok() && !dropping_) {
      end_ = status;
      ending_ = true;
      dropping_ = true;
    }
    if (!dropping_) {
      writing_ = true;
      return {&exchanges_.front()->wire, false};  // it stays the front until it is written
    }
    Drop();
  }
  if (!ending_ || writing_ || finished_ || !exchanges_.empty()) return {};
  finished_ = true;
  return {nullptr, true};
}

void InferStream::Take(Step step) {
  if (step.write != nullptr) {
    sent_.Sending(watch_, [context = context_] { context->TryCancel(); });
    return StartWrite(step.write);
  }
  if (!step.finish) return;
  if (const std::string reason = Reason(end_); !reason.empty()) context_->AddTrailingMetadata(kReasonMetadata, reason);
  Finish(ToGrpc(end_));
}

}  // namespace msq::server

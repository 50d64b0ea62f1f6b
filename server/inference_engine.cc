#include "server/inference_engine.h"

#include <memory>
#include <utility>

#include "base/status.h"
#include "server/request_decoder.h"
#include "server/response_encoder.h"
#include "server/status_to_grpc.h"

namespace msq::server {

struct InferenceEngine::Job {
  InferenceCall call;
  DecodedRequest request;
  absl::Time arrival;
  absl::Time queued;
};

InferenceEngine::InferenceEngine(const ModelRepository& repository, Metrics* metrics, const Options& options,
                                 const Clock& clock)
    : repository_(repository),
      metrics_(metrics),
      options_(options),
      clock_(clock),
      queue_(options.workers, options.queue_capacity) {}

void InferenceEngine::Infer(InferenceCall call) {
  const absl::Time arrival = clock_.Now();
  auto model = repository_.Find(call.request->model_name(), call.request->model_version());
  if (!model.ok()) {
    metrics_->CountUnresolved();
    return call.done(model.status());
  }
  // The request may hold the last reference to a model, so answers are counted before it goes.
  const std::shared_ptr<const ServedModel> keep = *model;
  auto decoded = DecodeRequest(*call.request, *std::move(model), options_.max_response_bytes);
  if (!decoded.ok()) return Answer(keep->default_backend(), call, arrival, decoded.status());

  const ServedBackend& backend = *decoded->backend;
  const absl::Time queued = clock_.Now();
  backend.metrics->Observe(Phase::kDecode, queued - arrival);
  auto job = std::make_shared<Job>(Job{std::move(call), *std::move(decoded), arrival, queued});
  ++accepted_;
  metrics_->queued_requests().Increment();
  if (queue_.TryPush([this, job] { Execute(*job); })) return;
  --accepted_;
  metrics_->queued_requests().Decrement();
  Answer(backend, job->call, arrival, WithReason(Unavailable("Exceeds maximum queue size"), kQueueFull));
}

void InferenceEngine::Execute(Job& job) {
  metrics_->queued_requests().Decrement();
  job.request.backend->metrics->Observe(Phase::kQueue, clock_.Now() - job.queued);
  const absl::Status status = Compute(job);
  ++answered_;
  Answer(*job.request.backend, job.call, job.arrival, status);
}

absl::Status InferenceEngine::Compute(Job& job) {
  const DecodedRequest& request = job.request;
  if (job.call.cancelled != nullptr && *job.call.cancelled) {
    return absl::CancelledError("the request was cancelled while it waited");
  }
  const absl::Time start = clock_.Now();
  if (start >= job.call.deadline) {
    return absl::DeadlineExceededError("the request's deadline passed while it waited");
  }
  std::vector<AlignedBuffer> integers;
  std::vector<ConstTensorView> inputs;
  std::vector<TensorView> outputs;
  for (const AlignedBuffer& codes : request.codes) {
    inputs.push_back({ElementType::kCode, request.batch, {codes.as<std::byte>(), codes.size()}});
  }
  for (const ServedOutput& output : request.model->outputs()) {
    const bool codes = output.type.kind == ir::TensorType::Kind::kCode;
    AlignedBuffer& buffer = integers.emplace_back(static_cast<size_t>(request.batch * output.type.ByteSize()));
    outputs.push_back({codes ? ElementType::kCode : ElementType::kAccumulator,
                       request.batch,
                       {buffer.as<std::byte>(), buffer.size()}});
  }
  RunContext context;
  context.deadline = job.call.deadline;
  context.cancelled = job.call.cancelled;
  MSQ_RETURN_IF_ERROR(request.backend->executable->Run(inputs, outputs, context));
  const absl::Time computed = clock_.Now();
  request.backend->metrics->Observe(Phase::kCompute, computed - start);
  request.backend->metrics->CountImages(request.batch);
  EncodeResponse(*job.call.request, request, integers, job.call.response);
  request.backend->metrics->Observe(Phase::kEncode, clock_.Now() - computed);
  return absl::OkStatus();
}

void InferenceEngine::Answer(const ServedBackend& backend, const InferenceCall& call, absl::Time arrival,
                             const absl::Status& status) {
  backend.metrics->Observe(Phase::kTotal, clock_.Now() - arrival);
  backend.metrics->CountAnswer(status);
  call.done(status);
}

}  // namespace msq::server

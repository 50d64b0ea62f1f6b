#include "server/engine/inference_engine.h"

#include <memory>
#include <new>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/status.h"
#include "server/protocol/reason.h"
#include "server/protocol/request_decoder.h"
#include "server/protocol/response_encoder.h"

namespace msq::server {

namespace {

// Memory that cannot be had is the error of the request that wants it, not the end of the daemon.
template <typename Step>
absl::Status WithinMemory(Step step) {
  try {
    return step();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory: the request needs more than there is");
  }
}

}  // namespace

struct InferenceEngine::Job {
  InferenceCall call;
  absl::Time arrival;
  // The request may hold the last reference to a model, so it is kept until its answer is counted.
  std::shared_ptr<const ServedModel> model;
  DecodedRequest request;
  int64_t bytes = 0;
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
  auto job = std::make_shared<Job>();
  job->call = std::move(call);
  job->arrival = clock_.Now();
  const absl::Status status = WithinMemory([&] { return Accept(job); });
  if (status.ok()) return;  // a worker has it
  if (job->model == nullptr) {
    metrics_->CountUnresolved();
    return job->call.done(status);
  }
  const ServedBackend* backend = job->request.backend;
  Answer(backend != nullptr ? *backend : job->model->default_backend(), job->call, job->arrival, status);
}

// Leaves the job to a worker, or says why not.
absl::Status InferenceEngine::Accept(const std::shared_ptr<Job>& job) {
  const inference::ModelInferRequest& message = *job->call.request;
  MSQ_ASSIGN_OR_RETURN(job->model, repository_.Find(message.model_name(), message.model_version()));
  MSQ_ASSIGN_OR_RETURN(job->request, DecodeRequest(message, job->model, options_.max_response_bytes));
  for (const AlignedBuffer& codes : job->request.codes) job->bytes += static_cast<int64_t>(codes.size());
  job->queued = clock_.Now();
  job->request.backend->metrics->Observe(Phase::kDecode, job->queued - job->arrival);

  std::function<void()> task = [this, job] { Execute(*job); };
  ++accepted_;
  metrics_->queued_requests().Increment();
  const int64_t before = queued_bytes_.fetch_add(job->bytes);
  absl::Cleanup undo = [this, bytes = job->bytes] {
    queued_bytes_ -= bytes;
    metrics_->queued_requests().Decrement();
    --accepted_;
  };
  const bool fits = before == 0 || before + job->bytes <= options_.max_queued_bytes;
  if (!fits || !queue_.TryPush(std::move(task))) {
    return WithReason(Unavailable("Exceeds maximum queue size"), kQueueFull);
  }
  std::move(undo).Cancel();
  return absl::OkStatus();
}

void InferenceEngine::Execute(Job& job) {
  queued_bytes_ -= job.bytes;
  metrics_->queued_requests().Decrement();
  job.request.backend->metrics->Observe(Phase::kQueue, clock_.Now() - job.queued);
  const absl::Status status = WithinMemory([&] { return Compute(job); });
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

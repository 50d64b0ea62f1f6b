#include "server/engine/inference_engine.h"

#include <new>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "server/protocol/reason.h"
#include "server/protocol/request_decoder.h"

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

int64_t Nanoseconds(absl::Time time) {
  return time == absl::InfinitePast() ? 0 : absl::ToUnixNanos(time);
}

// What the answer depends on besides the model's generation. None for requests that must be computed: steps of a
// sequence, those for one backend, and those whose bytes a client may change meanwhile.
std::optional<CacheKey> CacheKeyOf(const InferenceRequest& request, uint64_t generation) {
  if (request.sequence || !request.backend.empty()) return std::nullopt;
  for (const auto& [name, ignored] : request.message->parameters()) {
    if (name != "priority" && name != "timeout") return std::nullopt;  // it may be the model's own
  }
  CacheKeyBuilder key;
  key.Add(generation);
  for (const RequestInput& input : request.inputs) {
    if (input.region) return std::nullopt;
    key.Add(static_cast<uint64_t>(input.datatype));
    key.Add(static_cast<uint64_t>(input.normalized));
    for (int64_t length : input.shape) key.Add(static_cast<uint64_t>(length));
    key.Add(input.bytes);
  }
  for (const RequestedOutput& output : request.outputs) {
    if (output.region) return std::nullopt;
    key.Add(static_cast<uint64_t>(output.index));
    key.Add(static_cast<uint64_t>(output.classes));
  }
  const auto digest = key.Finish();
  return digest.ok() ? std::optional(*digest) : std::nullopt;
}

}  // namespace

struct InferenceEngine::Job final : InferenceRequest {
  // Kept until the request is answered and counted: it may be the last to hold a model that was unloaded.
  std::shared_ptr<const ServedModel> model;
  std::function<void(const absl::Status&)> answer;
  int64_t bytes = 0;
  std::optional<CacheKey> cache_key;  // to keep the answer under
};

InferenceEngine::InferenceEngine(const Parts& parts, const Options& options, const Clock& clock)
    : parts_(parts), options_(options), clock_(clock) {}

InferenceEngine::~InferenceEngine() {
  while (answered_ < accepted_) absl::SleepFor(absl::Milliseconds(1));
}

RequestHandle InferenceEngine::Infer(InferenceCall call) {
  auto job = std::make_shared<Job>();
  job->times.arrival = clock_.Now();
  job->message = call.request;
  job->response = call.response;
  job->bytes = call.bytes;
  job->deadline = call.deadline;
  job->caller = std::move(call.caller);
  job->answer = std::move(call.done);
  absl::Status status = WithinMemory([&] { return Accept(job); });
  bool answered = false;
  if (status.ok()) status = WithinMemory([&] { return answered = AnswerFromCache(*job), absl::OkStatus(); });
  if (answered) {
    job->answer(status);
    return {};
  }
  if (status.ok()) status = Queue(job);
  if (status.ok()) return job;
  if (options_.full_is_exhausted && Reason(status) == kQueueFull) {
    status = WithReason(absl::ResourceExhaustedError(status.message()), kQueueFull);
  }
  if (job->model == nullptr) {
    parts_.metrics->CountUnresolved();
  } else {
    job->model->CountAnswer(*job, status);
  }
  job->answer(status);
  return {};
}

absl::Status InferenceEngine::Accept(const std::shared_ptr<Job>& job) {
  const inference::ModelInferRequest& message = *job->message;
  MSQ_ASSIGN_OR_RETURN(job->model, parts_.repository->Find(message.model_name(), message.model_version()));
  job->description = &job->model->description();
  MSQ_RETURN_IF_ERROR(DecodeRequest(*parts_.regions, options_.max_response_bytes, job.get()));
  if (job->bytes == 0) job->bytes = static_cast<int64_t>(message.ByteSizeLong());
  return absl::OkStatus();
}

bool InferenceEngine::AnswerFromCache(Job& job) const {
  if (parts_.cache == nullptr || !job.description->config.response_cache().enable()) return false;
  const absl::Time begin = clock_.Now();
  job.cache_key = CacheKeyOf(job, job.model->generation());
  if (!job.cache_key) return false;
  const auto kept = parts_.cache->Lookup(*job.cache_key);
  if (kept == nullptr) {
    job.model->statistics().CountCacheMiss(clock_.Now() - begin);
    return false;
  }
  *job.response = *kept;
  job.response->set_id(job.message->id());
  const absl::Time now = clock_.Now();
  job.model->statistics().CountCacheHit(now - begin, job.times.arrival, now);
  job.model->CountAnswer(job, absl::OkStatus());
  return true;
}

// Leaves the job to its model, or says why not.
absl::Status InferenceEngine::Queue(const std::shared_ptr<Job>& job) {
  job->done = [this, raw = job.get()](const absl::Status& status) { Finish(*raw, status); };
  const int64_t before = queued_bytes_.fetch_add(job->bytes), held = held_bytes_;
  ++accepted_;
  const bool is_step = job->sequence && job->description->config.has_sequence_batching();
  // A sequence that has begun would end with a step that is refused: it is not the first to make room.
  const int64_t share = is_step && !job->sequence_start ? 2 : 1;
  // A client that waits for each answer may ask on before the last one's bytes are let go.
  const bool alone = before == 0 && held <= options_.max_queued_bytes;
  job->fits = alone || (before + held + job->bytes) / share <= options_.max_queued_bytes;
  const absl::Status status = job->fits || is_step ? job->model->Submit(job)
                                                   : WithReason(Unavailable("Exceeds maximum queue size"), kQueueFull);
  if (status.ok()) return status;
  queued_bytes_ -= job->bytes;
  --accepted_;
  return status;
}

// The job's answer: the last thing that happens to it.
void InferenceEngine::Finish(Job& job, const absl::Status& status) {
  queued_bytes_ -= job.bytes;
  // Without memory for what is kept of an answer, the answer itself is as good as ever.
  WithinMemory([&] {
    if (status.ok() && job.cache_key) parts_.cache->Insert(*job.cache_key, *job.response);
    // Only now: a request that was refused does not use up what is to be traced.
    const uint64_t trace = parts_.tracer == nullptr ? 0 : parts_.tracer->Sample(job.model->name());
    if (trace != 0) WriteTrace(job, trace);
    return absl::OkStatus();
  }).IgnoreError();
  std::exchange(job.answer, nullptr)(status);  // what it holds goes before it is counted
  ++answered_;
}

void InferenceEngine::WriteTrace(const Job& job, uint64_t id) const {
  TraceRecord record{id, job.model->name(), std::stoll(job.model->version()), job.message->id(), job.backend};
  record[TracePoint::kRequestStart] = Nanoseconds(job.times.arrival);
  record[TracePoint::kQueueStart] = Nanoseconds(job.times.queued);
  record[TracePoint::kComputeStart] = Nanoseconds(job.times.started);
  record[TracePoint::kComputeInputEnd] = Nanoseconds(job.times.gathered);
  record[TracePoint::kComputeOutputStart] = Nanoseconds(job.times.computed);
  record[TracePoint::kComputeEnd] = Nanoseconds(job.times.encoded);
  record[TracePoint::kRequestEnd] = Nanoseconds(clock_.Now());
  parts_.tracer->Write(record);
}

void InferenceEngine::Cancel(const RequestHandle& handle) {
  const RequestPtr request = handle.lock();
  if (request == nullptr) return;  // answered
  request->cancelled = true;
  static_cast<const Job&>(*request).model->Cancel(request);
}

}  // namespace msq::server

#include "server/observe/metrics.h"

#include <array>

namespace msq::server {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;

constexpr const char* kPhaseNames[kPhaseCount] = {"decode", "queue", "gather", "compute", "encode", "total"};
constexpr const char* kCloseReasonNames[kCloseReasonCount] = {"full", "preferred", "delay", "immediate", "drain"};

prometheus::Histogram::BucketBoundaries BatchSizeBuckets() {
  return {1, 2, 4, 8, 16, 32, 64, 128, 256};
}

// Up to a second in steps of about two: what is short and what is long are told apart alike.
constexpr std::array<double, 24> kDurationBounds = {1e-6,   2.5e-6, 5e-6,   10e-6, 25e-6, 50e-6, 100e-6, 250e-6,
                                                    500e-6, 1e-3,   2.5e-3, 5e-3,  10e-3, 25e-3, 50e-3,  0.1,
                                                    0.25,   0.5,    1,      2.5,   5,     10,    30,     60};

// Each phase has those between which its times lie, for each bound is a series of each model: waiting may take nearly no
// time or a minute, computing takes some microseconds at least, what the server does around it hardly a tenth of a second.
prometheus::Histogram::BucketBoundaries DurationBuckets(Phase phase) {
  double least = 1e-6, most = 60;
  switch (phase) {
    case Phase::kQueue:
      break;
    case Phase::kCompute:
    case Phase::kTotal:
      least = 10e-6;
      break;
    case Phase::kDecode:
    case Phase::kGather:
    case Phase::kEncode:
      most = 0.1;
      break;
  }
  prometheus::Histogram::BucketBoundaries bounds;
  for (double bound : kDurationBounds) {
    if (bound >= least && bound <= most) bounds.push_back(bound);
  }
  return bounds;
}

// A scrape may come at any time: a series that is new has its value from the beginning, and none is made to be removed.
void SetGauge(const prometheus::Labels& labels, double value, prometheus::Family<prometheus::Gauge>* family) {
  family->Add(labels, value).Set(value);
}

void RemoveGauge(const prometheus::Labels& labels, prometheus::Family<prometheus::Gauge>* family) {
  if (family->Has(labels)) family->Remove(&family->Add(labels));
}

Metrics::Figures FiguresOf(const prometheus::Labels& labels) {
  Metrics::Figures figures;
  figures.model = labels.at("model");
  figures.version = labels.at("version");
  figures.backend = labels.at("backend");
  return figures;
}

}  // namespace

void ModelMetrics::SetWeightBytes(int64_t bytes) const {
  if (bytes > 0) SetGauge(*labels_, static_cast<double>(bytes), weights_family_);
}

void ModelMetrics::CountAnswer(const absl::Status& status, const RequestTimes& times, absl::Time now) {
  requests_->Increment();
  if (!status.ok()) failures_[static_cast<size_t>(FailureReasonOf(status))]->Increment();
  const auto observe = [this](Phase phase, absl::Time begin, absl::Time end) {
    if (begin == absl::InfinitePast() || end == absl::InfinitePast()) return;  // not reached
    durations_[static_cast<size_t>(phase)]->Observe(absl::ToDoubleSeconds(end - begin));
  };
  observe(Phase::kDecode, times.arrival, times.queued);
  observe(Phase::kQueue, times.queued, times.started);
  observe(Phase::kGather, times.started, times.gathered);
  observe(Phase::kCompute, times.gathered, times.computed);
  observe(Phase::kEncode, times.computed, times.encoded);
  observe(Phase::kTotal, times.arrival, now);
}

void ModelMetrics::CountBatch(int64_t samples, CloseReason reason) {
  batches_[static_cast<size_t>(reason)]->Increment();
  batch_size_->Observe(static_cast<double>(samples));
  images_->Increment(static_cast<double>(samples));
}

void ModelMetrics::BeginRun() {
  ledger_->Begin(account_, std::chrono::steady_clock::now());
}

void ModelMetrics::EndRun(const RunStatistics& statistics) {
  ledger_->End(account_, std::chrono::steady_clock::now());
  const auto count = [](prometheus::Counter* counter, std::optional<int64_t> value) {
    if (counter != nullptr && value) counter->Increment(static_cast<double>(*value));
  };
  count(cycles_, statistics.cycles);
  count(dsp_busy_, statistics.dsp_busy_cycles);
  count(lut_busy_, statistics.lut_busy_cycles);
  count(dram_bytes_, statistics.bytes_moved);
}

Metrics::Metrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      build_info_(
          BuildGauge().Name("msq_build_info").Help("Constant 1; the labels say what runs").Register(*registry_)),
      backend_info_(BuildGauge()
                        .Name("msq_backend_info")
                        .Help("Constant 1; the labels name each backend and its device or kernel")
                        .Register(*registry_)),
      model_ready_(BuildGauge()
                       .Name("msq_model_ready")
                       .Help("1 when the model version answers requests, 0 when it could not be loaded")
                       .Register(*registry_)),
      load_times_(BuildGauge()
                      .Name("msq_model_load_duration_seconds")
                      .Help("Time that reading the model version and preparing it on its backends took")
                      .Register(*registry_)),
      weights_(BuildGauge()
                   .Name("msq_model_weight_bytes")
                   .Help("Host memory that holds the model's weights, and programs of accelerators, for the backend")
                   .Register(*registry_)),
      requests_(BuildCounter()
                    .Name("msq_requests_total")
                    .Help("Inference requests answered, failed ones included")
                    .Register(*registry_)),
      failures_(BuildCounter()
                    .Name("msq_request_failures_total")
                    .Help("Inference requests answered with an error, by reason")
                    .Register(*registry_)),
      images_(BuildCounter()
                  .Name("msq_images_total")
                  .Help("Samples computed: a request of batch N counts N")
                  .Register(*registry_)),
      failovers_(BuildCounter()
                     .Name("msq_failovers_total")
                     .Help("Requests that this backend could not compute and handed to the next one")
                     .Register(*registry_)),
      batches_(BuildCounter()
                   .Name("msq_batches_total")
                   .Help("Batches computed, by the reason for which each was closed")
                   .Register(*registry_)),
      batch_sizes_(
          BuildHistogram().Name("msq_batch_size").Help("Samples in each batch that was computed").Register(*registry_)),
      queued_(BuildGauge()
                  .Name("msq_queued_requests")
                  .Help("Inference requests that wait for an instance")
                  .Register(*registry_)),
      durations_(BuildHistogram()
                     .Name("msq_request_duration_seconds")
                     .Help("Time that requests spent in each phase; total is from arrival to answer")
                     .Register(*registry_)),
      cycles_(BuildCounter()
                  .Name("msq_model_cycles_total")
                  .Help("Clock cycles in which accelerators ran programs of the model")
                  .Register(*registry_)),
      engines_(BuildCounter()
                   .Name("msq_model_engine_busy_cycles_total")
                   .Help("Of these, cycles that gave the engine something to do")
                   .Register(*registry_)),
      dram_bytes_(BuildCounter()
                      .Name("msq_model_dram_bytes_total")
                      .Help("Bytes that accelerators moved from and to their memory for the model")
                      .Register(*registry_)) {
  unresolved_ = &BuildCounter()
                     .Name("msq_unresolved_requests_total")
                     .Help("Inference requests that named no model version that is served")
                     .Register(*registry_)
                     .Add({});
}

void Metrics::SetBuildInfo(const std::string& version) {
  build_info_.Add({{"version", version}}, 1);
}

void Metrics::AddBackend(const std::string& backend, const Capabilities& capabilities) {
  backend_info_.Add({{"backend", backend}, {"device", capabilities.device}}, 1);
  if (capabilities.reports_cycles) count_cycles_.insert(backend);
}

void Metrics::SetModelReady(const std::string& model, const std::string& version,
                            std::optional<absl::Duration> load_time) {
  const prometheus::Labels labels = {{"model", model}, {"version", version}};
  std::lock_guard lock(mutex_);
  SetGauge(labels, load_time ? 1 : 0, &model_ready_);
  if (load_time) {
    SetGauge(labels, absl::ToDoubleSeconds(*load_time), &load_times_);
  } else {
    RemoveGauge(labels, &load_times_);
  }
}

void Metrics::ForgetModel(const std::string& model, const std::string& version) {
  const prometheus::Labels labels = {{"model", model}, {"version", version}};
  std::lock_guard lock(mutex_);
  RemoveGauge(labels, &model_ready_);
  RemoveGauge(labels, &load_times_);
}

std::shared_ptr<ModelMetrics> Metrics::ForModel(const std::string& model, const std::string& version,
                                                const std::string& backend) {
  const prometheus::Labels labels = {{"model", model}, {"version", version}, {"backend", backend}};
  std::lock_guard lock(mutex_);
  Shared& shared = models_[labels];
  if (shared.holders++ == 0) AddSeries(labels, &shared.metrics);
  return {&shared.metrics, [this, labels](ModelMetrics*) { Release(labels); }};
}

std::vector<Metrics::Figures> Metrics::Read() const {
  std::vector<Figures> all;
  std::lock_guard lock(mutex_);
  for (const auto& [labels, shared] : models_) {
    const ModelMetrics& metrics = shared.metrics;
    Figures& figures = all.emplace_back(FiguresOf(labels));
    figures.requests = metrics.requests_->Value();
    figures.images = metrics.images_->Value();
    figures.failovers = metrics.failovers_->Value();
    figures.queued = metrics.queued_->Value();
    for (size_t i = 0; i < kFailureReasonCount; ++i) figures.failures[i] = metrics.failures_[i]->Value();
    const auto total = metrics.durations_[static_cast<size_t>(Phase::kTotal)]->Collect().histogram;
    for (const auto& bucket : total.bucket) figures.durations.push_back(static_cast<double>(bucket.cumulative_count));
    figures.seconds = total.sample_sum;
  }
  return all;
}

std::vector<double> Metrics::DurationBounds() {
  return DurationBuckets(Phase::kTotal);
}

void Metrics::Release(const prometheus::Labels& labels) {
  std::lock_guard lock(mutex_);
  const auto it = models_.find(labels);
  if (--it->second.holders > 0) return;
  RemoveSeries(it->second.metrics);
  models_.erase(it);
}

void Metrics::AddSeries(const prometheus::Labels& labels, ModelMetrics* metrics) {
  const auto with = [&labels](const char* key, const char* value) {
    prometheus::Labels result = labels;
    result[key] = value;
    return result;
  };
  metrics->requests_ = &requests_.Add(labels);
  metrics->images_ = &images_.Add(labels);
  metrics->failovers_ = &failovers_.Add(labels);
  metrics->queued_ = &queued_.Add(labels);
  metrics->batch_size_ = &batch_sizes_.Add(labels, BatchSizeBuckets());
  for (size_t i = 0; i < kCloseReasonCount; ++i) {
    metrics->batches_[i] = &batches_.Add(with("reason", kCloseReasonNames[i]));
  }
  for (size_t i = 0; i < kFailureReasonCount; ++i) {
    metrics->failures_[i] = &failures_.Add(with("reason", FailureReasonName(static_cast<FailureReason>(i))));
  }
  for (size_t i = 0; i < kPhaseCount; ++i) {
    metrics->durations_[i] = &durations_.Add(with("phase", kPhaseNames[i]), DurationBuckets(static_cast<Phase>(i)));
  }
  metrics->weights_family_ = &weights_;
  metrics->labels_ = &models_.find(labels)->first;
  metrics->ledger_ = &ledger_;
  metrics->account_ = ledger_.Open(labels.at("model"), labels.at("version"), labels.at("backend"));
  if (!count_cycles_.contains(labels.at("backend"))) return;
  metrics->cycles_ = &cycles_.Add(labels);
  metrics->dsp_busy_ = &engines_.Add(with("engine", "dsp"));
  metrics->lut_busy_ = &engines_.Add(with("engine", "lut"));
  metrics->dram_bytes_ = &dram_bytes_.Add(labels);
}

void Metrics::RemoveSeries(const ModelMetrics& metrics) {
  requests_.Remove(metrics.requests_);
  images_.Remove(metrics.images_);
  failovers_.Remove(metrics.failovers_);
  queued_.Remove(metrics.queued_);
  batch_sizes_.Remove(metrics.batch_size_);
  for (prometheus::Counter* series : metrics.batches_) batches_.Remove(series);
  for (prometheus::Counter* series : metrics.failures_) failures_.Remove(series);
  for (prometheus::Histogram* series : metrics.durations_) durations_.Remove(series);
  RemoveGauge(*metrics.labels_, &weights_);
  ledger_.Close(metrics.account_);
  if (metrics.cycles_ == nullptr) return;
  cycles_.Remove(metrics.cycles_);
  engines_.Remove(metrics.dsp_busy_);
  engines_.Remove(metrics.lut_busy_);
  dram_bytes_.Remove(metrics.dram_bytes_);
}

}  // namespace msq::server

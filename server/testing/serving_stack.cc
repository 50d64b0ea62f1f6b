#include "server/testing/serving_stack.h"

#include <prometheus/text_serializer.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"

namespace msq::server::testing {

ServingStack::ServingStack(std::vector<std::string> backends) {
  for (std::string& name : backends) {
    controls_.push_back(std::make_shared<FakeControl>());
    MSQ_CHECK(backends_.Register(CreateFakeBackend(controls_.back(), std::move(name))).ok());
  }
  platform_ = CreateMsqPlatform(backends_, {});
}

ServingStack::~ServingStack() {
  Close();
}

void ServingStack::Close() {
  for (const auto& control : controls_) control->Release();
  engine_.reset();  // waits for the answers
}

void ServingStack::Open(const Options& options) {
  engine_.reset();
  repository_.reset();
  runtime_.platforms = {platform_.get()};
  for (std::string_view name : backends_.names()) {
    schedulers_.push_back(std::make_unique<Scheduler>(Scheduler::Options{.slots = options.workers}));
    runtime_.schedulers[std::string(name)] = schedulers_.back().get();
  }
  runtime_.metrics = &metrics_;
  runtime_.former.max_queue_size = options.queue_capacity;
  runtime_.default_instances = options.workers;
  if (options.cache_bytes > 0) cache_ = std::make_unique<ResponseCache>(options.cache_bytes);
  ModelRepository::Options repository = options.repository;
  repository.path = folder_.path();
  auto opened = ModelRepository::Open(repository, runtime_);
  MSQ_CHECK(opened.ok());
  repository_ = *std::move(opened);
  engine_ = std::make_unique<InferenceEngine>(
      InferenceEngine::Parts{repository_.get(), &regions_, &metrics_, nullptr, cache_.get()}, options.engine);
}

void ServingStack::Send(Pending* pending, absl::Time deadline) {
  InferenceCall call;
  call.request = &pending->request;
  call.response = &pending->response;
  call.deadline = deadline;
  call.done = [pending](const absl::Status& status) { pending->promise.set_value(status); };
  pending->handle = engine_->Infer(std::move(call));
}

absl::Status ServingStack::Infer(const inference::ModelInferRequest& request, inference::ModelInferResponse* response) {
  Pending pending;
  pending.request = request;
  Send(&pending);
  const absl::Status status = pending.answer.get();
  if (response != nullptr) *response = pending.response;
  return status;
}

absl::Status ServingStack::Load(const std::string& name, ModelRepository::LoadRequest request) {
  std::promise<absl::Status> loaded;
  repository_->Load(name, std::move(request), [&](const absl::Status& status) { loaded.set_value(status); });
  return loaded.get_future().get();
}

absl::Status ServingStack::Unload(const std::string& name) {
  std::promise<absl::Status> unloaded;
  repository_->Unload(name, [&](const absl::Status& status) { unloaded.set_value(status); });
  return unloaded.get_future().get();
}

std::string ServingStack::IndexText() const {
  constexpr const char* kNames[] = {"READY", "UNAVAILABLE", "LOADING", "UNLOADING"};
  std::string text;
  for (const ModelRepository::Entry& entry : repository_->Index()) {
    absl::StrAppend(&text, entry.name, " ", entry.version, " ", kNames[static_cast<size_t>(entry.state)],
                    entry.reason.empty() ? "" : ": ", entry.reason, "\n");
  }
  return text;
}

std::string ServingStack::MetricsText() const {
  return prometheus::TextSerializer().Serialize(metrics_.registry()->Collect());
}

bool ServingStack::MetricsHave(const std::string& line) const {
  return MetricsText().find(line + "\n") != std::string::npos;
}

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

inference::ModelInferRequest SampleRequest(const std::string& model, int64_t batch, char grey) {
  inference::ModelInferRequest request;
  request.set_model_name(model);
  request.set_id("42");
  auto* input = request.add_inputs();
  input->set_name("pixels");
  input->set_datatype("UINT8");
  for (int64_t dimension : {batch, int64_t{3}, int64_t{8}, int64_t{8}}) input->add_shape(dimension);
  request.add_raw_input_contents(std::string(static_cast<size_t>(batch) * 3 * 8 * 8, grey));
  return request;
}

}  // namespace msq::server::testing

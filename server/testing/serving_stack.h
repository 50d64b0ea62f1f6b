// Everything of the daemon behind its ports, in this process, over fake backends and a repository in a temporary folder.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/inference_engine.h"
#include "server/models/model_repository.h"
#include "server/models/msq_platform.h"
#include "server/scheduling/scheduler.h"
#include "server/testing/fake_backend.h"
#include "server/testing/test_repository.h"

namespace msq::server::testing {

// Fill the folder, then Open. Backends are named in order; each has a control, and a scheduler of its own.
class ServingStack {
 public:
  explicit ServingStack(std::vector<std::string> backends = {"cpu"});
  ~ServingStack();

  struct Options {
    ModelRepository::Options repository = {};  // the path is the folder's
    InferenceEngine::Options engine = {};
    int workers = 2;
    int64_t queue_capacity = 256;
    int64_t cache_bytes = 0;
  };
  // Opened again it has the folder as it is then.
  void Open(const Options& options);
  void Open() { Open({}); }
  // Answers what is under way; for what its callers use and this does not own.
  void Close();

  TestRepository& folder() { return folder_; }
  FakeControl& control(size_t backend = 0) { return *controls_[backend]; }
  const BackendRegistry& backends() const { return backends_; }
  Metrics& metrics() { return metrics_; }
  ModelRepository& repository() { return *repository_; }
  InferenceEngine& engine() { return *engine_; }
  SharedMemoryRegistry& regions() { return regions_; }
  const ModelRuntime& runtime() const { return runtime_; }  // after Open

  // A request under way. Waits for its answer before it goes.
  struct Pending {
    inference::ModelInferRequest request;
    inference::ModelInferResponse response;
    std::promise<absl::Status> promise;
    std::future<absl::Status> answer = promise.get_future();
    RequestHandle handle;
  };
  void Send(Pending* pending, absl::Time deadline = absl::InfiniteFuture());

  // Sends and waits.
  absl::Status Infer(const inference::ModelInferRequest& request, inference::ModelInferResponse* response = nullptr);

  // Loads or unloads a model, and waits for it.
  absl::Status Load(const std::string& name, ModelRepository::LoadRequest request = {});
  absl::Status Unload(const std::string& name);

  // The repository's entries as lines "name version STATE", with ": reason" behind those that have one.
  std::string IndexText() const;

  // What /metrics would serve, and whether it has this line.
  std::string MetricsText() const;
  bool MetricsHave(const std::string& line) const;

 private:
  std::vector<std::shared_ptr<FakeControl>> controls_;
  TestRepository folder_;
  BackendRegistry backends_;
  Metrics metrics_;
  SharedMemoryRegistry regions_{{}};
  std::unique_ptr<Platform> platform_;
  std::unique_ptr<ResponseCache> cache_;
  std::vector<std::unique_ptr<Scheduler>> schedulers_;
  ModelRuntime runtime_;
  std::unique_ptr<ModelRepository> repository_;
  std::unique_ptr<InferenceEngine> engine_;
};

// Waits for the condition, half a minute at most: for what other threads do after they have answered.
bool Eventually(const std::function<bool()>& condition);

// `batch` pictures of one grey for the sample model under the name `model`.
inference::ModelInferRequest SampleRequest(const std::string& model = "m", int64_t batch = 1, char grey = 100);

}  // namespace msq::server::testing

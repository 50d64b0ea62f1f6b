// Which versions of which models are served: what requests look up, and what loads and unloads change in one step.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/models/model_repository.h"

namespace msq::server {

// Thread-safe; changes of one model must come one at a time. Versions that a change takes out of service are drained.
// Keeps the series of msq_model_ready, one a version that is served or should be.
class ModelTable {
 public:
  // A version that was to be loaded, and what came of it.
  struct Loaded {
    int64_t version;
    absl::StatusOr<std::shared_ptr<const ServedModel>> model;
  };

  // The metrics must outlive the table.
  explicit ModelTable(Metrics* metrics) : metrics_(metrics) {}

  // As ModelRepository's.
  absl::StatusOr<std::shared_ptr<const ServedModel>> Find(const std::string& name, const std::string& version) const;
  std::vector<std::shared_ptr<const ServedModel>> ReadyModels(const std::string& name) const;
  bool AllReady() const;
  std::vector<ModelRepository::Entry> Index() const;

  bool Has(const std::string& name) const;
  bool IsReady(const std::string& name) const;  // in one version at least

  // The model is to be served from the start: until it is, not all is ready.
  void Expect(const std::string& name);
  // The versions are being loaded, beside those that are ready.
  void StartLoading(const std::string& name, const std::vector<int64_t>& versions);

  // The versions take the place of all that there were. If one has failed, those that are ready stay instead, where
  // there are some.
  void Publish(const std::string& name, std::vector<Loaded> loaded);
  // There is no version to load. Those that are ready stay.
  void Fail(const std::string& name, const absl::Status& status);
  // Versions stay known, as unloaded.
  void Unload(const std::string& name);
  void Remove(const std::string& name);

 private:
  enum class State : uint8_t { kReady, kLoading, kFailed, kUnloaded };
  struct Version {
    int64_t number = 0;  // 0 and no text for a model of which no version is known
    std::string text = {};
    State state = State::kLoading;
    std::string reason = {};
    bool expected = false;                               // and not ready: then not all is
    std::shared_ptr<const ServedModel> model = nullptr;  // where it is ready
    std::weak_ptr<const ServedModel> retired = {};       // where it is unloaded: as long as requests hold it

    bool awaited() const { return expected || (model != nullptr && !model->ready()); }  // then not all is ready
  };
  struct Model {
    std::vector<Version> versions;                        // ascending
    std::shared_ptr<const ServedModel> newest = nullptr;  // that is ready
    bool expected = false;                                // from the start
  };

  absl::Status NotReady(const std::string& name, const std::string& version) const;
  Model Get(const std::string& name) const;
  void Replace(const std::string& name, Model next);
  void UpdateSeries(const std::string& name, const Model& before, const Model& after);

  Metrics* const metrics_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, Model> models_;
};

}  // namespace msq::server

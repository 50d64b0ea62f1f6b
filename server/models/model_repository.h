// The models that the daemon serves, in Triton's layout: <repository>/<model>/<version>/model.msq, beside the versions
// an optional config.pbtxt. A model that cannot be loaded is reported and leaves the others alone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/models/served_model.h"

namespace msq::server {

// Thread-safe: immutable once open.
class ModelRepository {
 public:
  // Loads every model. NOT_FOUND when `path` is no readable folder; a model's own defects are in its entry.
  static absl::StatusOr<std::unique_ptr<ModelRepository>> Open(const std::string& path, const BackendRegistry& registry,
                                                               const PrepareOptions& options, Metrics* metrics);

  // The version asked for, or the newest that is ready for an empty `version`. Errors as Triton's: NOT_FOUND,
  // INVALID_ARGUMENT for what is no version, UNAVAILABLE for a version that could not be loaded.
  absl::StatusOr<std::shared_ptr<const ServedModel>> Find(const std::string& name, const std::string& version) const;

  // The versions of a model that are ready, ascending.
  std::vector<std::string> ReadyVersions(const std::string& name) const;

  // Every chosen version of every model is ready.
  bool AllReady() const;

  struct Entry {
    std::string name;
    std::string version;                       // empty when no version was got at
    absl::Status status;                       // why it is not ready
    std::shared_ptr<const ServedModel> model;  // null when it is not
  };
  // By name, then version.
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  struct Loader;
  ModelRepository() = default;

  std::vector<Entry> entries_;
};

}  // namespace msq::server

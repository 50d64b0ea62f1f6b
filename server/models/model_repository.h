// The models that the daemon serves, in Triton's layout: <repository>/<model>/<version>/model.msq, beside the versions
// an optional config.pbtxt. A model that cannot be loaded is reported and leaves the others alone.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/inference.pb.h"
#include "server/models/served_model.h"

namespace msq::server {

// Thread-safe.
class ModelRepository {
 public:
  enum class Mode : uint8_t {
    kNone,      // everything that is there at the start, for good
    kPoll,      // follows the folder
    kExplicit,  // what is asked for
  };
  struct Options {
    std::string path = {};
    Mode mode = Mode::kNone;
    absl::Duration poll_interval = absl::Seconds(15);
    std::vector<std::string> startup_models = {};  // kExplicit: loaded at the start; "*" is all
    // Told after each load and unload of a model whether a version of it is ready. Of one model one call at a time, on
    // a thread of the repository's, also while it is being opened. May be empty.
    std::function<void(const std::string& model, bool ready)> ready_changed = {};
  };
  // What a load request gives besides the name.
  struct LoadRequest {
    std::string config = {};                        // JSON of a ModelConfig instead of config.pbtxt; empty: none
    std::map<std::string, std::string> files = {};  // contents by path in the model's folder; need a config beside them
  };
  enum class State : uint8_t { kReady, kUnavailable, kLoading, kUnloading };
  struct Entry {
    std::string name;
    std::string version;  // empty when no version was got at
    State state = State::kUnavailable;
    std::string reason;    // why it is not ready, or why the last load left it as it was
    bool awaited = false;  // AllReady is false for it
  };
  using Done = std::function<void(const absl::Status&)>;

  // Loads what the mode says, and waits for it. NOT_FOUND when the path is no readable folder, INVALID_ARGUMENT for a
  // startup model that no folder can have; a model's own defects are in its entry.
  static absl::StatusOr<std::unique_ptr<ModelRepository>> Open(const Options& options, const ModelRuntime& runtime);
  // Waits for loads under way, which StopLoading cuts short; those that wait are refused. Requests under way keep their models.
  ~ModelRepository();

  // The version asked for, or the newest that is ready for an empty `version`. Errors as Triton's: NOT_FOUND,
  // INVALID_ARGUMENT for what is no version, UNAVAILABLE for a version that is not ready. Cheap.
  absl::StatusOr<std::shared_ptr<const ServedModel>> Find(const std::string& name, const std::string& version) const;

  // The versions of a model that are ready, ascending.
  std::vector<std::string> ReadyVersions(const std::string& name) const;
  // The ready versions of the model, of every model for an empty name.
  std::vector<std::shared_ptr<const ServedModel>> ReadyModels(const std::string& name) const;

  // Every version that was to be served from the start is ready, or its model was unloaded or changed for the better
  // since. A load that comes later and fails is its caller's to know, and no reason to take the daemon out of service.
  bool AllReady() const;

  // By name, then version. Of kExplicit also the models in the folder that nobody loaded.
  std::vector<Entry> Index() const;
  // The same without those that nobody loaded; looks at no file.
  std::vector<Entry> Loaded() const;

  // Loads the model, or loads it anew though nothing changed: new versions are made ready beside the old ones and take
  // their place in one step. If one of them cannot be and there are old ones, these stay; without old ones those that
  // can be are served. Loads of one model follow each other. `done` is called once, on another thread or before the
  // return. UNAVAILABLE unless the mode is kExplicit and when too many loads wait; INVALID_ARGUMENT for a name that is
  // none, a bad configuration or artifact; else INTERNAL. Messages contain "failed to load".
  void Load(const std::string& name, LoadRequest request, Done done);
  // Takes all versions out of service; requests that they accepted are answered, later than `done` is called. NOT_FOUND
  // for a model that there is not.
  void Unload(const std::string& name, Done done);

  // From now on loads and unloads that wait, or come, are refused as shutting down; so is a load under way before its next
  // version and the next request that warms one up.
  void StopLoading();

  // Looks at the folder now, as kPoll does by itself from time to time, and waits until what was there is loaded; for
  // tests.
  void Poll();

 private:
  class Impl;
  explicit ModelRepository(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

const char* StateName(ModelRepository::State state);  // as the protocol has it: "READY"

}  // namespace msq::server

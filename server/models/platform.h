// A kind of model: how the files of a version become something that computes. The daemon's own is `msq`
// (models/msq_platform.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/protocol/model_description.h"
#include "server/scheduling/instance.h"

namespace msq::server {

// Where a version comes from.
struct ModelSource {
  std::string folder;  // the model's; its versions are folders in it
  int64_t version = 1;
  inference::ModelConfig config;
  std::map<std::string, std::string> files;  // contents that stand for those on disk, by path in the folder
};

// A version, loaded. Thread-safe.
class Servable {
 public:
  virtual ~Servable() = default;
  virtual const ModelDescription& description() const = 0;
  // Names of the backends that it can run on, the preferred one first. Never empty.
  virtual const std::vector<std::string>& backends() const = 0;
  // Whether what runs there can succeed: false while the backend's devices are out of service.
  virtual bool ready(std::string_view /*backend*/) const { return true; }
  // Batches of a multiple of this many samples waste nothing there.
  virtual int64_t preferred_batch(std::string_view /*backend*/) const { return 1; }
  // The servable outlives its instances. NOT_FOUND for a backend that is not listed.
  virtual absl::StatusOr<std::unique_ptr<Instance>> NewInstance(std::string_view backend) const = 0;
  // Held for its weights on the backend, whatever the number of instances; 0 where that is not counted.
  virtual int64_t WeightBytes(std::string_view /*backend*/) const { return 0; }
};

// Thread-safe.
class Platform {
 public:
  virtual ~Platform() = default;
  virtual std::string_view name() const = 0;  // as the field `backend` of a configuration says it
  // The error names the file and the cause.
  virtual absl::StatusOr<std::unique_ptr<Servable>> Load(const ModelSource& source) const = 0;
};

// The platform that the configuration's `backend`, else its `platform` names; the first of `platforms` when neither
// names one of them. `warning` then says so, where something was named. Precondition: there is a platform.
const Platform& ChoosePlatform(std::span<const Platform* const> platforms, const inference::ModelConfig& config,
                               std::string* warning);

}  // namespace msq::server

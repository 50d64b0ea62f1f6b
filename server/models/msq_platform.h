// The platform `msq`: a version is the file model.msq, prepared on the daemon's backends.
#pragma once

#include <memory>
#include <string_view>

#include "backends/registry.h"
#include "server/models/platform.h"

namespace msq::server {

inline constexpr std::string_view kMsqPlatform = "msq";

// A model's instance groups choose the backends; without them it is prepared on all that the registry has. Tensors that
// sequence_batching.state names carry the state of a sequence from step to step, as the integers that they are, and are
// hidden from clients. The registry must outlive the platform.
std::unique_ptr<Platform> CreateMsqPlatform(const BackendRegistry& registry, const PrepareOptions& options);

}  // namespace msq::server

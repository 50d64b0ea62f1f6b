// What the path of a REST request asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace msq::server {

enum class Endpoint : uint8_t {
  kServerLive,
  kServerReady,
  kServerMetadata,
  kModelReady,
  kModelMetadata,
  kModelInfer,
  kModelConfig,
  kModelStatistics,
  kRepositoryIndex,
  kRepositoryModelLoad,
  kRepositoryModelUnload,
  kSystemSharedMemoryStatus,
  kSystemSharedMemoryRegister,
  kSystemSharedMemoryUnregister,
  kCudaSharedMemoryStatus,
  kCudaSharedMemoryRegister,
  kCudaSharedMemoryUnregister,
  kTraceSetting,
  kLogSettings,
};

struct Route {
  Endpoint endpoint;
  std::string_view methods;  // that it takes: "GET, HEAD", as the header Allow has it
  std::string name;          // of the model or the region, where the path has one
  std::string version;

  bool Takes(std::string_view method) const;
  // Does a POST change the server, beyond being counted?
  bool IsAdministrative() const;
};

// `path` is percent-encoded. None when there is no such endpoint. INVALID_ARGUMENT for a broken escape.
absl::StatusOr<std::optional<Route>> FindRoute(std::string_view path);

}  // namespace msq::server

// The backends of this process by name: an explicit list made in main, no static registration.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/backend.h"

namespace msq {

// Filled before threads start, then read-only and thread-safe.
class BackendRegistry {
 public:
  // ALREADY_EXISTS when a backend of that name is there.
  absl::Status Register(std::unique_ptr<Backend> backend);

  // The backend, owned by the registry, or NOT_FOUND listing the names there are.
  absl::StatusOr<const Backend*> Find(std::string_view name) const;

  std::vector<std::string_view> names() const;

 private:
  std::vector<std::unique_ptr<Backend>> backends_;
};

}  // namespace msq

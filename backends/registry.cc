#include "backends/registry.h"

#include "absl/strings/str_join.h"
#include "base/status.h"

namespace msq {

absl::Status BackendRegistry::Register(std::unique_ptr<Backend> backend) {
  if (Find(backend->name()).ok()) {
    return absl::AlreadyExistsError(absl::StrCat("backend '", std::string(backend->name()), "' is registered already"));
  }
  backends_.push_back(std::move(backend));
  return absl::OkStatus();
}

absl::StatusOr<const Backend*> BackendRegistry::Find(std::string_view name) const {
  for (const auto& backend : backends_) {
    if (backend->name() == name) return backend.get();
  }
  std::vector<std::string> known;
  for (std::string_view other : names()) known.emplace_back(other);
  return NotFound("no backend '", std::string(name),
                  "'; there are: ", known.empty() ? "none" : absl::StrJoin(known, ", "));
}

std::vector<std::string_view> BackendRegistry::names() const {
  std::vector<std::string_view> names;
  for (const auto& backend : backends_) names.push_back(backend->name());
  return names;
}

}  // namespace msq

#include "server/models/platform.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace msq::server {

const Platform& ChoosePlatform(std::span<const Platform* const> platforms, const inference::ModelConfig& config,
                               std::string* warning) {
  const std::string& name = config.backend().empty() ? config.platform() : config.backend();
  const Platform& first = *platforms.front();
  if (name.empty()) return first;
  std::vector<std::string> names;
  for (const Platform* platform : platforms) {
    if (platform->name() == name) return *platform;
    names.emplace_back(platform->name());
  }
  *warning = absl::StrCat("field '", config.backend().empty() ? "platform" : "backend", "': there is no '", name,
                          "' (there are: ", absl::StrJoin(names, ", "), "); served as '", names.front(), "'");
  return first;
}

}  // namespace msq::server

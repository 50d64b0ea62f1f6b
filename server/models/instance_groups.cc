#include "server/models/instance_groups.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "base/status.h"

namespace msq::server {
namespace {

constexpr int kMaxInstances = 64;
constexpr std::string_view kCpu = "cpu";

using Group = inference::ModelInstanceGroup;

std::string BackendOf(const Group& group, std::span<const std::string> backends) {
  if (!group.host_policy().empty()) return group.host_policy();
  return group.kind() == Group::KIND_CPU ? std::string(kCpu) : backends.front();
}

}  // namespace

absl::StatusOr<std::vector<InstanceGroup>> ReadInstanceGroups(const inference::ModelConfig& config,
                                                              std::span<const std::string> backends,
                                                              int default_count) {
  std::vector<InstanceGroup> groups;
  if (config.instance_group().empty()) {
    for (const std::string& backend : backends) groups.push_back({backend, default_count, 1});
    return groups;
  }
  for (int i = 0; i < config.instance_group_size(); ++i) {
    const Group& group = config.instance_group(i);
    InstanceGroup result{BackendOf(group, backends), group.count() == 0 ? default_count : group.count(), 1};
    if (std::find(backends.begin(), backends.end(), result.backend) == backends.end()) {
      return InvalidArgument("instance_group[", i, "]: there is no backend '", result.backend,
                             "'; there are: ", absl::StrJoin(backends, ", "));
    }
    if (group.rate_limiter().priority() > 0) result.weight = 1.0 / group.rate_limiter().priority();
    auto same = std::find_if(groups.begin(), groups.end(),
                             [&](const InstanceGroup& other) { return other.backend == result.backend; });
    if (same == groups.end()) {
      same = groups.insert(same, {result.backend, 0, result.weight});
    }
    if (result.count < 1 || result.count > kMaxInstances - same->count) {
      return InvalidArgument("instance_group[", i, "].count: ", result.count, " more instances on '", result.backend,
                             "', a model may have 1..", kMaxInstances);
    }
    same->count += result.count;
  }
  return groups;
}

}  // namespace msq::server

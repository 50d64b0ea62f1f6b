#include "server/network/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

namespace msq::server {
namespace {

constexpr rlim_t kEnoughDescriptors = 1 << 14;

}  // namespace

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kEnoughDescriptors) return;
  limit.rlim_cur = std::min(limit.rlim_max, kEnoughDescriptors);
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool IsInReserve(int descriptor, const DescriptorReserve& reserve) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  const auto all = static_cast<int64_t>(limit.rlim_cur);
  return descriptor >= all - std::min(reserve.most, all / reserve.part);
}

}  // namespace msq::server

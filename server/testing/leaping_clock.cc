#include "server/testing/leaping_clock.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <ctime>

namespace {

std::atomic<int64_t> leap_seconds = 0, set_forward_seconds = 0;

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const long result = syscall(SYS_clock_gettime, clock, time);
  const int64_t leap = leap_seconds;
  if (result == 0 && clock == CLOCK_REALTIME && leap > 0) time->tv_sec += set_forward_seconds += leap;
  return static_cast<int>(result);
}

namespace msq::server::testing {

LeapingClock::LeapingClock(absl::Duration leap) {
  leap_seconds = absl::ToInt64Seconds(leap);
}

LeapingClock::~LeapingClock() {
  leap_seconds = 0;
  set_forward_seconds = 0;
}

}  // namespace msq::server::testing

// The machine's wall clock, set forward again and again while somebody looks at it: for tests of what must not depend on
// it. In a program that is linked with this, clock_gettime is the one defined here.
#pragma once

#include "absl/time/time.h"

namespace msq::server::testing {

// While one lives, every look at the wall clock finds it `leap` further on. One at a time.
class LeapingClock {
 public:
  explicit LeapingClock(absl::Duration leap);
  ~LeapingClock();
  LeapingClock(const LeapingClock&) = delete;
  LeapingClock& operator=(const LeapingClock&) = delete;
};

}  // namespace msq::server::testing

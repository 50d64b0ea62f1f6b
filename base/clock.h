// Time as a dependency: code that waits or measures takes a Clock, so that tests decide what time it is.
#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace msq {

// Thread-safe. Now() is wall-clock time: it may step when the machine's clock is set.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;

  // The machine's clock; lives for ever.
  static const Clock& Real();
};

inline const Clock& Clock::Real() {
  class RealClock final : public Clock {
    absl::Time Now() const override { return absl::Now(); }
  };
  static const RealClock clock;
  return clock;
}

}  // namespace msq

// Something that tells power or energy: a kind of sensor, a driver, or a model.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace msq::server {

// No package, board or rail draws more: who tells more is mistaken.
inline constexpr double kMostWatts = 10'000;

// One rail now. At least one of `joules` and `watts` is there.
struct PowerReading {
  std::string backend = {};  // whose energy it is
  std::string device = {};
  std::string rail = {};              // empty where the device has one
  std::optional<double> joules = {};  // since some moment before, never less than at an earlier reading of the rail
  std::optional<double> watts = {};   // at this moment
  // What it would be if nothing were computed, where the source knows; as above.
  std::optional<double> idle_joules = {};
  std::optional<double> idle_watts = {};
};

// Of one thread at a time. Readings of one backend add up: a source tells nothing twice.
class PowerSource {
 public:
  using Time = std::chrono::steady_clock::time_point;

  virtual ~PowerSource() = default;
  virtual std::string_view name() const = 0;  // the label `source`
  // What can be read now. What cannot be is missing, and may be there again the next time.
  virtual std::vector<PowerReading> Sample(Time now) = 0;
};

}  // namespace msq::server

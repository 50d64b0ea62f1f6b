#include "server/power/device_source.h"

#include <string>

namespace msq::server {

std::vector<PowerReading> DeviceSource::Sample(Time /*now*/) {
  std::vector<PowerReading> readings;
  for (std::string_view name : backends_.names()) {
    for (const DevicePower& power : (*backends_.Find(name))->ReadPower()) {
      readings.push_back({.backend = std::string(name), .device = power.device, .rail = "", .watts = power.watts});
    }
  }
  return readings;
}

}  // namespace msq::server

#include "server/power/activity_source.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace msq::server {
namespace {

// Where they come from and what they are worth: docs/power.md.
constexpr std::array<PowerCoefficients, 2> kCoefficients = {{
    {"xc7z020", 1.6, 2.0, 2.0, 240},
    {"xc7z045", 2.2, 2.0, 2.0, 240},
}};

// Beyond the static power: since the device began.
double DynamicJoules(const DeviceReport& device, const PowerCoefficients& c) {
  const auto times = [](int64_t count, int64_t each) { return static_cast<double>(count) * static_cast<double>(each); };
  return 1e-12 * (c.dsp_product_picojoules * times(device.dsp_busy_cycles, device.emulates->dsp_products_per_cycle) +
                  c.lut_product_picojoules * times(device.lut_busy_cycles, device.emulates->lut_products_per_cycle) +
                  c.dram_byte_picojoules * static_cast<double>(device.dram_bytes));
}

}  // namespace

const PowerCoefficients* FindPowerCoefficients(std::string_view part) {
  for (const PowerCoefficients& coefficients : kCoefficients) {
    if (coefficients.part == part) return &coefficients;
  }
  return nullptr;
}

std::vector<PowerReading> ActivitySource::Sample(Time now) {
  std::vector<PowerReading> readings;
  for (std::string_view name : backends_.names()) {
    for (const DeviceReport& report : (*backends_.Find(name))->Report().devices) {
      if (!report.emulates) continue;
      Device& device = devices_[{std::string(name), report.name}];
      const PowerCoefficients* coefficients = FindPowerCoefficients(report.emulates->name);
      if (coefficients == nullptr || !report.ready || !report.clock_hz) {
        device.present = false;
        continue;
      }
      PowerReading reading = Read(report, *coefficients, now, &device);
      reading.backend = std::string(name);
      readings.push_back(std::move(reading));
    }
  }
  return readings;
}

PowerReading ActivitySource::Read(const DeviceReport& report, const PowerCoefficients& coefficients, Time now,
                                  Device* device) {
  // What a program that runs takes of the part's time is known when it has ended: until then time stands still.
  const Time host_time = report.running_since ? std::min(now, *report.running_since) : now;
  // One that began after `now` and has ended makes this fall behind what it was.
  const double time = std::chrono::duration<double>(host_time.time_since_epoch()).count() -
                      absl::ToDoubleSeconds(report.running) + static_cast<double>(report.cycles) / *report.clock_hz;
  if (!device->present) device->offset = device->part_seconds - time;
  const double part_seconds = std::max(device->part_seconds, time + device->offset);
  const double idle_joules = coefficients.static_watts * part_seconds;
  const double joules = idle_joules + DynamicJoules(report, coefficients);
  if (!device->present) {
    device->watts.reset();
    device->joules = joules;
  } else if (part_seconds > device->part_seconds) {
    device->watts = (joules - device->joules) / (part_seconds - device->part_seconds);
    device->joules = joules;
  }
  device->present = true;
  device->part_seconds = part_seconds;
  return {.device = report.name,
          .joules = joules,
          .watts = device->watts,
          .idle_joules = idle_joules,
          .idle_watts = coefficients.static_watts};
}

}  // namespace msq::server

// What emulated accelerators would consume, estimated from what they did: docs/power.md says how, and how badly.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/registry.h"
#include "server/power/power_source.h"

namespace msq::server {

// Of one part at one place: what it draws doing nothing, and what each thing that it does takes on top.
struct PowerCoefficients {
  std::string_view part;
  double static_watts;
  double dsp_product_picojoules;
  double lut_product_picojoules;
  double dram_byte_picojoules;
};
// Null for a part that has none.
const PowerCoefficients* FindPowerCoefficients(std::string_view part);

class ActivitySource final : public PowerSource {
 public:
  // `backends` outlive the source.
  explicit ActivitySource(const BackendRegistry* backends) : backends_(*backends) {}

  std::string_view name() const override { return "model"; }
  // Of devices that emulate a part, and are not quarantined. The part's time is the host's, but for the time in which a
  // program ran: that is as long as the part would have taken.
  std::vector<PowerReading> Sample(Time now) override;

 private:
  struct Device {
    bool present = false;     // at the last sample
    double offset = 0;        // of the part's time
    double part_seconds = 0;  // the part's time, without the gaps
    double joules = 0;        // when that last moved
    std::optional<double> watts;
  };
  static PowerReading Read(const DeviceReport& report, const PowerCoefficients& coefficients, Time now, Device* device);

  const BackendRegistry& backends_;
  std::map<std::pair<std::string, std::string>, Device> devices_;  // by backend and name
};

}  // namespace msq::server

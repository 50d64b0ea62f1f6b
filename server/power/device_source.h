// What boards' drivers tell of their power: of those behind XRT, where XRT answers.
#pragma once

#include <string_view>
#include <vector>

#include "backends/registry.h"
#include "server/power/power_source.h"

namespace msq::server {

class DeviceSource final : public PowerSource {
 public:
  // `backends` outlive the source.
  explicit DeviceSource(const BackendRegistry* backends) : backends_(*backends) {}

  std::string_view name() const override { return "xrt"; }
  std::vector<PowerReading> Sample(Time now) override;

 private:
  const BackendRegistry& backends_;
};

}  // namespace msq::server

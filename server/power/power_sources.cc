#include "server/power/power_sources.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "server/power/activity_source.h"
#include "server/power/device_source.h"
#include "server/power/rapl_source.h"

namespace msq::server {
namespace {

constexpr char kCpu[] = "cpu";

std::string BackendOfBoard(const BackendRegistry& backends) {
  for (std::string_view name : backends.names()) {
    const std::vector<DeviceReport> devices = (*backends.Find(name))->Report().devices;
    const auto is_board = [](const DeviceReport& device) { return !device.emulates; };
    if (std::any_of(devices.begin(), devices.end(), is_board)) return std::string(name);
  }
  return kCpu;
}

}  // namespace

std::vector<std::unique_ptr<PowerSource>> MakePowerSources(const SysfsFiles& files, const BackendRegistry& backends,
                                                           std::vector<PowerRailRule> rules) {
  std::vector<std::unique_ptr<PowerSource>> sources;
  sources.push_back(std::make_unique<RaplSource>(&files, kCpu));
  sources.push_back(std::make_unique<HwmonSource>(&files, BackendOfBoard(backends), std::move(rules)));
  sources.push_back(std::make_unique<DeviceSource>(&backends));
  sources.push_back(std::make_unique<ActivitySource>(&backends));
  return sources;
}

}  // namespace msq::server

// The power sources of a daemon: which there are, and whose energy each tells.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/registry.h"
#include "server/power/hwmon_source.h"
#include "server/power/power_source.h"
#include "server/power/sysfs_files.h"

namespace msq::server {

// All of them: those that find nothing tell nothing. Processors' energy is that of the backend "cpu"; rails of boards are
// those of the first backend that has a board, else "cpu" too. Files and backends outlive the sources.
std::vector<std::unique_ptr<PowerSource>> MakePowerSources(const SysfsFiles& files, const BackendRegistry& backends,
                                                           std::vector<PowerRailRule> rules);

}  // namespace msq::server

// Intel's and AMD's running average power limit, as the kernel's powercap framework tells it: energy of processor packages
// and of their memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/power/failure_log.h"
#include "server/power/power_source.h"
#include "server/power/sysfs_files.h"

namespace msq::server {

class RaplSource final : public PowerSource {
 public:
  // `files` outlive the source. All energy is that of `backend`.
  RaplSource(const SysfsFiles* files, std::string backend) : files_(*files), backend_(std::move(backend)) {}

  std::string_view name() const override { return "rapl"; }
  std::vector<PowerReading> Sample(Time now) override;

 private:
  // A zone's counter, which begins again at 0 when it has reached its range.
  struct Counter {
    std::optional<int64_t> microjoules;  // when last read; nothing after it could not be
    Time when = {};
    double joules = 0;  // since the first reading, without the gaps
  };
  void SampleZone(const std::string& zone, const std::string& device, const std::string& rail, Time now,
                  std::vector<PowerReading>* readings);
  std::optional<double> Passed(const std::string& zone, const Counter& counter, int64_t microjoules, Time now) const;

  const SysfsFiles& files_;
  const std::string backend_;
  std::map<std::string, Counter> counters_;  // by zone
  FailureLog failures_;
};

}  // namespace msq::server

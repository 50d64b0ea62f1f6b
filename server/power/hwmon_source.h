// Sensors of boards that the kernel's hwmon framework tells: INA226 and its relatives, and power controllers on PMBus
// (UCD9248, UCD90120).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "server/power/failure_log.h"
#include "server/power/power_source.h"
#include "server/power/sysfs_files.h"

namespace msq::server {

// Which rails are whose, where the default is not right: CHIP/RAIL=BACKEND[/NAME].
struct PowerRailRule {
  std::string chip;     // as the driver names it, or as the label `device` says it; "*": any
  std::string rail;     // as the source names it; "*": any
  std::string backend;  // "none": the rail is left out
  std::string name;     // for the label `rail`; empty: as it is
};
// INVALID_ARGUMENT that says what is wrong.
absl::StatusOr<PowerRailRule> ParsePowerRailRule(std::string_view text);

class HwmonSource final : public PowerSource {
 public:
  // `files` outlive the source. The first rule that fits a rail holds; those that none fits are of `backend`, if they
  // are of a chip that measures boards' rails, else left out.
  HwmonSource(const SysfsFiles* files, std::string backend, std::vector<PowerRailRule> rules)
      : files_(*files), backend_(std::move(backend)), rules_(std::move(rules)) {}

  std::string_view name() const override { return "hwmon"; }
  std::vector<PowerReading> Sample(Time now) override;

 private:
  struct Chip {
    std::string folder;
    std::string name;
    std::string device;  // the name with the address, where there is one
    std::vector<std::string> files;
  };
  struct Channel {
    std::string rail;
    std::string power;             // file
    std::string voltage, current;  // else these two
  };
  std::optional<Chip> ChipOf(const std::string& folder) const;
  // All sensors that are one rail, by backend, device and rail.
  using RailKey = std::tuple<std::string, std::string, std::string>;
  struct Sum {
    PowerReading reading;
    std::set<std::string> members;
    double watts = 0;
    bool whole = true;  // each of them could be read
  };
  std::vector<PowerReading> WholeOnes(const std::map<RailKey, Sum>& sums);
  std::vector<Channel> ChannelsOf(const Chip& chip);
  std::optional<std::string> LabelOf(const Chip& chip, const std::string& sensor);
  std::optional<PowerReading> Assign(const Chip& chip, const std::string& rail) const;
  std::optional<double> WattsOf(const Chip& chip, const Channel& channel);
  absl::Status CheckPossible(const Chip& chip, const Channel& channel, double watts) const;
  absl::StatusOr<int64_t> ReadFile(const Chip& chip, const std::string& file);

  const SysfsFiles& files_;
  const std::string backend_;
  const std::vector<PowerRailRule> rules_;
  FailureLog failures_;
  std::map<RailKey, std::set<std::string>> members_;  // of sums that were whole
};

}  // namespace msq::server

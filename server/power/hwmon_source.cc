#include "server/power/hwmon_source.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace msq::server {
namespace {

constexpr char kFolder[] = "class/hwmon";

// What drivers call the chips that boards measure their own rails with. Others (graphics cards, disks, batteries) measure
// what is not ours, unless a rule says so.
constexpr std::array<std::string_view, 4> kBoardChips = {"ina2", "ina3", "ucd9", "pmbus"};

constexpr std::string_view kInput = "_input";

bool IsBoardChip(std::string_view name) {
  return std::any_of(kBoardChips.begin(), kBoardChips.end(), [&](auto prefix) { return name.starts_with(prefix); });
}

bool Fits(const std::string& pattern, const std::string& text) {
  return pattern == "*" || pattern == text;
}

// "power3" of the file "power3_input", for this kind of sensor; empty if it is another file.
std::string SensorOf(const std::string& file, std::string_view kind) {
  if (!file.starts_with(kind) || !file.ends_with(kInput)) return "";
  const std::string sensor = file.substr(0, file.size() - kInput.size());
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::string_view number = std::string_view(sensor).substr(kind.size());
  return !number.empty() && std::all_of(number.begin(), number.end(), is_digit) ? sensor : "";
}

// PMBus drivers label what goes in "vin", "iin" and "pin", what comes out "vout1", "iout1", "pout1". The rail of an
// output is what its three sensors have in common, spelt as its voltage: others have a label, or a number, of their own.
std::string RailOf(const std::string& label) {
  for (std::string_view kind : {"vout", "iout", "pout"}) {
    if (label.starts_with(kind)) return absl::StrCat("vout", label.substr(kind.size()));
  }
  return label;
}

bool IsInput(const std::string& label) {
  return label.starts_with("vin") || label.starts_with("iin") || label.starts_with("pin");
}

}  // namespace

absl::StatusOr<PowerRailRule> ParsePowerRailRule(std::string_view text) {
  const size_t equals = text.find('=');
  const size_t slash = text.substr(0, equals).rfind('/');
  if (equals == text.npos || slash == text.npos) {
    return InvalidArgument("power rail '", std::string(text), "': is not CHIP/RAIL=BACKEND[/NAME]");
  }
  const std::string_view whose = text.substr(equals + 1);
  const size_t name = std::min(whose.find('/'), whose.size());
  PowerRailRule rule = {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1, equals - slash - 1)),
                        std::string(whose.substr(0, name)),
                        std::string(name < whose.size() ? whose.substr(name + 1) : "")};
  if (rule.chip.empty() || rule.rail.empty() || rule.backend.empty()) {
    return InvalidArgument("power rail '", std::string(text), "': chip, rail and backend must not be empty");
  }
  return rule;
}

std::vector<PowerReading> HwmonSource::Sample(Time /*now*/) {
  std::map<RailKey, Sum> sums;
  for (const std::string& folder : files_.List(kFolder)) {
    const std::optional<Chip> chip = ChipOf(absl::StrCat(kFolder, "/", folder));
    if (!chip) continue;
    for (const Channel& channel : ChannelsOf(*chip)) {
      std::optional<PowerReading> reading = Assign(*chip, channel.rail);
      if (!reading) continue;
      Sum& sum = sums[{reading->backend, reading->device, reading->rail}];
      std::string member = channel.rail;
      while (!sum.members.insert(member).second) member += '+';  // of another chip that has no name of its own
      const std::optional<double> watts = WattsOf(*chip, channel);
      if (watts) sum.watts += *watts;
      sum.whole = sum.whole && watts.has_value();
      sum.reading = *std::move(reading);
    }
  }
  return WholeOnes(sums);
}

// What lacks a sensor that it has now, or had at any time, is no sum.
std::vector<PowerReading> HwmonSource::WholeOnes(const std::map<RailKey, Sum>& sums) {
  std::vector<PowerReading> readings;
  for (const auto& [key, sum] : sums) {
    if (!sum.whole) continue;
    std::set<std::string>& known = members_[key];
    known.insert(sum.members.begin(), sum.members.end());
    if (known.size() > sum.members.size()) continue;
    readings.push_back(sum.reading);
    readings.back().watts = sum.watts;
  }
  return readings;
}

// Nothing for chips that no rail is wanted of.
std::optional<HwmonSource::Chip> HwmonSource::ChipOf(const std::string& folder) const {
  const auto name = files_.Read(absl::StrCat(folder, "/name"));
  if (!name.ok()) return std::nullopt;
  const std::string address = files_.LinkName(absl::StrCat(folder, "/device"));
  Chip chip = {folder, *name, address.empty() ? *name : absl::StrCat(*name, "@", address), {}};
  const bool named = std::any_of(rules_.begin(), rules_.end(), [&](const PowerRailRule& rule) {
    return Fits(rule.chip, chip.name) || Fits(rule.chip, chip.device);
  });
  if (!named && !IsBoardChip(chip.name)) return std::nullopt;
  chip.files = files_.List(folder);
  return chip;
}

// Empty: it has none. Nothing: it cannot be read, so whose sensor that is cannot be told.
std::optional<std::string> HwmonSource::LabelOf(const Chip& chip, const std::string& sensor) {
  const std::string file = absl::StrCat(sensor, "_label");
  if (!std::binary_search(chip.files.begin(), chip.files.end(), file)) return "";
  const std::string path = absl::StrCat(chip.folder, "/", file);
  auto label = files_.Read(path);
  failures_.Note(path, label.status());
  return label.ok() ? std::optional(*std::move(label)) : std::nullopt;
}

// Outputs whose power the chip tells, and those of which it tells voltage and current.
std::vector<HwmonSource::Channel> HwmonSource::ChannelsOf(const Chip& chip) {
  bool tells_power = false;
  std::map<std::string, Channel> channels;  // by rail
  const auto find = [&](std::string_view kind, const std::string& unlabelled, std::string Channel::*file) {
    for (const std::string& input : chip.files) {
      const std::string sensor = SensorOf(input, kind);
      if (sensor.empty()) continue;
      const std::string number = sensor.substr(kind.size());
      // An INA3221's others are voltages across its shunts, and sums.
      if (chip.name.starts_with("ina3") && (number.size() > 1 || number > "3")) continue;
      std::optional<std::string> label = LabelOf(chip, sensor);
      // As of an INA3221.
      if (label && label->empty() && kind == "curr") label = LabelOf(chip, absl::StrCat("in", number));
      if (label && IsInput(*label)) continue;
      tells_power = tells_power || kind == "power";
      if (!label) continue;
      const std::string rail = label->empty() ? unlabelled + number : RailOf(*label);
      Channel& channel = channels[rail];
      channel.rail = rail;
      channel.*file = input;
    }
  };
  find("power", "power", &Channel::power);
  find("in", "channel", &Channel::voltage);
  find("curr", "channel", &Channel::current);
  std::vector<Channel> found;
  for (const auto& [rail, channel] : channels) {
    const bool product = !channel.voltage.empty() && !channel.current.empty();
    // Without labels nothing says that the voltage and current are not those of a power that is there.
    const bool again = tells_power && rail.starts_with("channel");
    if (!channel.power.empty() || (product && !again)) found.push_back(channel);
  }
  return found;
}

std::optional<PowerReading> HwmonSource::Assign(const Chip& chip, const std::string& rail) const {
  PowerReading reading = {.backend = backend_, .device = chip.device, .rail = rail};
  for (const PowerRailRule& rule : rules_) {
    if (!Fits(rule.rail, rail) || !(Fits(rule.chip, chip.name) || Fits(rule.chip, chip.device))) continue;
    if (rule.backend == "none") return std::nullopt;
    reading.backend = rule.backend;
    if (!rule.name.empty()) reading.rail = rule.name;
    return reading;
  }
  return IsBoardChip(chip.name) ? std::optional(reading) : std::nullopt;
}

// hwmon tells microwatts, millivolts and milliamperes. Where little flows an offset may make it less than nothing.
std::optional<double> HwmonSource::WattsOf(const Chip& chip, const Channel& channel) {
  double watts = 0;
  if (!channel.power.empty()) {
    const auto power = ReadFile(chip, channel.power);
    if (!power.ok()) return std::nullopt;
    watts = 1e-6 * static_cast<double>(*power);
  } else {
    const auto voltage = ReadFile(chip, channel.voltage), current = ReadFile(chip, channel.current);
    if (!voltage.ok() || !current.ok()) return std::nullopt;
    watts = 1e-6 * static_cast<double>(*voltage) * static_cast<double>(*current);
  }
  const absl::Status possible = CheckPossible(chip, channel, watts);
  failures_.Note(absl::StrCat(chip.folder, " ", channel.rail), possible);
  return possible.ok() ? std::optional(std::max(0.0, watts)) : std::nullopt;
}

absl::Status HwmonSource::CheckPossible(const Chip& chip, const Channel& channel, double watts) const {
  if (std::abs(watts) <= kMostWatts) return absl::OkStatus();
  const std::string files =
      channel.power.empty() ? absl::StrCat(channel.voltage, " times ", channel.current) : channel.power;
  return Unavailable(files_.FullPath(chip.folder), "/", files, ": ", watts, " W is more than any rail draws");
}

absl::StatusOr<int64_t> HwmonSource::ReadFile(const Chip& chip, const std::string& file) {
  const std::string path = absl::StrCat(chip.folder, "/", file);
  auto value = files_.ReadInteger(path);
  failures_.Note(path, value.status());
  return value;
}

}  // namespace msq::server

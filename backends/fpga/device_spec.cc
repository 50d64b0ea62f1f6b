#include "backends/fpga/device_spec.h"

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "backends/fpga/emulated_device.h"
#include "backends/fpga/xrt_device.h"
#include "base/status.h"
#include "hw/sim/faulty_machine.h"
#include "hw/sim/machine_factory.h"

namespace msq::fpga {
namespace {

constexpr std::string_view kEmulated = "emulated", kXrt = "xrt", kDriverKey = ",driver=";
constexpr uint64_t kDramBase = 0x1000'0000;

struct Settings {
  std::string configuration = "z020";
  std::string backend = "fpga";
  double clock_mhz = 100;
  double memory_mb = 64;
  bool paced = false;
  std::string fidelity = "model";
  std::string faults;
  double hang_ms = 0;  // 0: by fidelity
  std::string xclbin, driver;
  int index = 0;
};

using Setter = std::function<absl::Status(const std::string& value)>;

Setter Text(std::string* target) {
  return [target](const std::string& value) {
    *target = value;
    return value.empty() ? InvalidArgument("is empty") : absl::OkStatus();
  };
}

Setter Number(double low, double high, double* target) {
  return [=](const std::string& value) {
    if (absl::SimpleAtod(value, target) && *target >= low && *target <= high) return absl::OkStatus();
    return InvalidArgument("'", value, "' is no number in ", low, "..", high);
  };
}

Setter WholeNumber(int low, int high, int* target) {
  return [=](const std::string& value) {
    if (absl::SimpleAtoi(value, target) && *target >= low && *target <= high) return absl::OkStatus();
    return InvalidArgument("'", value, "' is no whole number in ", low, "..", high);
  };
}

Setter Switch(bool* target) {
  return [target](const std::string& value) {
    *target = value == "true";
    return value == "true" || value == "false" ? absl::OkStatus()
                                               : InvalidArgument("'", value, "' is neither true nor false");
  };
}

absl::Status Read(const std::vector<std::string>& parts, const std::map<std::string, Setter>& setters) {
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(parts[i], absl::MaxSplits('=', 1));
    const auto setter = setters.find(pair.first);
    if (setter == setters.end()) {
      const auto name = [](std::string* out, const auto& entry) { out->append(entry.first); };
      return InvalidArgument("there is no option '", pair.first, "'; there are: ", absl::StrJoin(setters, ", ", name));
    }
    MSQ_RETURN_IF_ERROR(WithContext(setter->second(pair.second), pair.first));
  }
  return absl::OkStatus();
}

absl::StatusOr<hw::Configuration> ConfigurationOf(const std::string& name) {
  const hw::Configuration* found = hw::FindConfiguration(name);
  if (found != nullptr) return *found;
  const auto append = [](std::string* out, const hw::Configuration& c) { out->append(c.name); };
  return InvalidArgument("configuration: there is no '", name,
                         "'; there are: ", absl::StrJoin(hw::kConfigurations, ", ", append));
}

absl::Duration HangTimeout(const Settings& settings, absl::Duration usual) {
  return settings.hang_ms > 0 ? absl::Milliseconds(settings.hang_ms) : usual;
}

absl::StatusOr<DeviceSpec> EmulatedSpec(const Settings& settings, DeviceSpec spec) {
  MSQ_ASSIGN_OR_RETURN(const hw::Fidelity fidelity, hw::ParseFidelity(settings.fidelity));
  MSQ_ASSIGN_OR_RETURN(const std::vector<hw::Fault> faults, hw::ParseFaults(settings.faults));
  spec.device.accelerator.hang_timeout =
      HangTimeout(settings, fidelity == hw::Fidelity::kModel ? absl::Seconds(5) : absl::Minutes(10));
  EmulatedDeviceOptions options;
  options.name = spec.device.name;
  options.clock_hz = settings.clock_mhz * 1e6;
  options.paced = settings.paced;
  hw::AxiMemoryOptions memory = hw::AxiMemoryOptions::ZynqDdr3(spec.configuration.ports);
  memory.base = kDramBase;
  memory.bytes = static_cast<uint64_t>(settings.memory_mb * (1 << 20));
  memory.clock_hz = options.clock_hz;
  spec.device.emulated = true;
  spec.device.open = [=, configuration = spec.configuration]() -> absl::StatusOr<std::unique_ptr<Device>> {
    MSQ_ASSIGN_OR_RETURN(std::unique_ptr<hw::Machine> machine, hw::CreateMachine(configuration, fidelity, memory));
    return CreateEmulatedDevice(hw::AddFaults(std::move(machine), faults), options);
  };
  return spec;
}

absl::StatusOr<DeviceSpec> XrtSpec(const Settings& settings, DeviceSpec spec) {
  if (settings.xclbin.empty()) return InvalidArgument("xclbin: an xrt device needs the file that describes its design");
  spec.device.accelerator.hang_timeout = HangTimeout(settings, absl::Seconds(5));
  const XrtDeviceOptions options = {settings.driver, settings.index, settings.xclbin};
  spec.board = absl::StrCat("XRT's board ", settings.index);
  spec.device.emulated = !settings.driver.empty();  // there is no other than the emulation
  spec.device.open = [options] { return OpenXrtDevice(options); };
  return spec;
}

}  // namespace

absl::StatusOr<DeviceSpec> ParseDeviceSpec(std::string_view text, int number) {
  Settings settings;
  const std::string whole(text);
  const size_t driver = whole.find(kDriverKey);  // whose options have commas of their own
  if (driver != whole.npos) settings.driver = whole.substr(driver + kDriverKey.size());
  const std::vector<std::string> parts = absl::StrSplit(whole.substr(0, driver), ',');
  std::map<std::string, Setter> setters = {{"configuration", Text(&settings.configuration)},
                                           {"backend", Text(&settings.backend)},
                                           {"hang-ms", Number(1, 3.6e6, &settings.hang_ms)}};
  const bool xrt = parts[0] == kXrt;
  if (xrt) {
    setters.insert({{"xclbin", Text(&settings.xclbin)}, {"index", WholeNumber(0, 15, &settings.index)}});
  } else if (parts[0] == kEmulated) {
    if (driver != whole.npos) return InvalidArgument("device '", whole, "': driver: is an option of 'xrt' alone");
    setters.insert({{"clock-mhz", Number(0.1, 10000, &settings.clock_mhz)},
                    {"memory-mb", Number(1, 2048, &settings.memory_mb)},
                    {"paced", Switch(&settings.paced)},
                    {"fidelity", Text(&settings.fidelity)},
                    {"faults", Text(&settings.faults)}});
  } else {
    return InvalidArgument("device '", whole, "': is neither '", std::string(kEmulated), "' nor '", std::string(kXrt),
                           "'");
  }
  MSQ_RETURN_IF_ERROR(WithContext(Read(parts, setters), "device '", whole, "'"));
  DeviceSpec spec;
  spec.backend = settings.backend;
  const absl::StatusOr<hw::Configuration> configuration = ConfigurationOf(settings.configuration);
  if (!configuration.ok()) return WithContext(configuration.status(), "device '", whole, "'");
  spec.configuration = *configuration;
  spec.device.name = absl::StrCat(parts[0], "-", settings.configuration, "-", number);
  absl::StatusOr<DeviceSpec> made = xrt ? XrtSpec(settings, std::move(spec)) : EmulatedSpec(settings, std::move(spec));
  if (!made.ok()) return WithContext(made.status(), "device '", whole, "'");
  return made;
}

}  // namespace msq::fpga

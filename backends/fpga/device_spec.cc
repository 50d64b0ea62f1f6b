#include "backends/fpga/device_spec.h"

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "backends/fpga/emulated_device.h"
#include "base/status.h"
#include "hw/sim/faulty_machine.h"
#include "hw/sim/machine_factory.h"

namespace msq::fpga {
namespace {

constexpr std::string_view kEmulated = "emulated";
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

}  // namespace

absl::StatusOr<DeviceSpec> ParseDeviceSpec(std::string_view text, int number) {
  const std::vector<std::string> parts = absl::StrSplit(std::string(text), ',');
  if (parts[0] != kEmulated) return InvalidArgument("device '", parts[0], "': is not 'emulated'");
  Settings settings;
  MSQ_RETURN_IF_ERROR(WithContext(Read(parts, {{"configuration", Text(&settings.configuration)},
                                               {"backend", Text(&settings.backend)},
                                               {"clock-mhz", Number(1, 10000, &settings.clock_mhz)},
                                               {"memory-mb", Number(1, 2048, &settings.memory_mb)},
                                               {"paced", Switch(&settings.paced)},
                                               {"fidelity", Text(&settings.fidelity)},
                                               {"faults", Text(&settings.faults)},
                                               {"hang-ms", Number(1, 3.6e6, &settings.hang_ms)}}),
                                  "device '", std::string(text), "'"));
  DeviceSpec spec;
  spec.backend = settings.backend;
  MSQ_ASSIGN_OR_RETURN(spec.configuration, ConfigurationOf(settings.configuration));
  MSQ_ASSIGN_OR_RETURN(const hw::Fidelity fidelity, hw::ParseFidelity(settings.fidelity));
  MSQ_ASSIGN_OR_RETURN(const std::vector<hw::Fault> faults, hw::ParseFaults(settings.faults));
  const absl::Duration usual = fidelity == hw::Fidelity::kModel ? absl::Seconds(5) : absl::Minutes(10);
  spec.accelerator.hang_timeout = settings.hang_ms > 0 ? absl::Milliseconds(settings.hang_ms) : usual;
  spec.device.name = absl::StrCat(std::string(kEmulated), "-", settings.configuration, "-", number);
  EmulatedDeviceOptions options;
  options.name = spec.device.name;
  options.clock_hz = settings.clock_mhz * 1e6;
  options.paced = settings.paced;
  hw::AxiMemoryOptions memory = hw::AxiMemoryOptions::ZynqDdr3(spec.configuration.ports);
  memory.base = kDramBase;
  memory.bytes = static_cast<uint64_t>(settings.memory_mb * (1 << 20));
  memory.clock_hz = options.clock_hz;
  spec.device.open = [=, configuration = spec.configuration]() -> absl::StatusOr<std::unique_ptr<Device>> {
    MSQ_ASSIGN_OR_RETURN(std::unique_ptr<hw::Machine> machine, hw::CreateMachine(configuration, fidelity, memory));
    return CreateEmulatedDevice(hw::AddFaults(std::move(machine), faults), options);
  };
  return spec;
}

}  // namespace msq::fpga

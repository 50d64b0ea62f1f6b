#include "hw/emulation/options.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace msq::emulation {
namespace {

constexpr int kMostDevices = 16;
constexpr char kFaultOf[] = "fault.";

absl::Status Set(const std::string& key, const std::string& value, Options* options) {
  int device = 0;
  if (key == "fidelity") {
    MSQ_ASSIGN_OR_RETURN(options->fidelity, hw::ParseFidelity(value));
  } else if (key == "devices") {
    if (!absl::SimpleAtoi(value, &options->devices) || options->devices < 1 || options->devices > kMostDevices) {
      return InvalidArgument("devices=", value, " is not a number from 1 to ", kMostDevices);
    }
  } else if (key == "memory") {
    if (value != "ideal" && value != "ddr3") return InvalidArgument("memory=", value, " is neither ddr3 nor ideal");
    options->ideal_memory = value == "ideal";
  } else if (key == "configuration") {
    if (hw::FindConfiguration(value) == nullptr) return InvalidArgument("there is no configuration \"", value, "\"");
    options->configuration = value;
  } else if (key == "fault") {
    MSQ_ASSIGN_OR_RETURN(options->faults, hw::ParseFaults(value));
  } else if (key.starts_with(kFaultOf) && absl::SimpleAtoi(key.substr(sizeof(kFaultOf) - 1), &device)) {
    MSQ_ASSIGN_OR_RETURN(options->device_faults[device], hw::ParseFaults(value));
  } else {
    return InvalidArgument("option \"", key,
                           "\" is none of fidelity, devices, memory, configuration, fault, fault.DEVICE");
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<hw::Fault>& Options::FaultsOf(int device) const {
  const auto found = device_faults.find(device);
  return found == device_faults.end() ? faults : found->second;
}

absl::StatusOr<Options> ParseOptions(std::string_view text) {
  Options options;
  for (const auto part : absl::StrSplit(std::string(text), ',', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> option = absl::StrSplit(part, absl::MaxSplits('=', 1));
    MSQ_RETURN_IF_ERROR(WithContext(Set(option.first, option.second, &options), "XRT emulation"));
  }
  return options;
}

absl::StatusOr<std::unique_ptr<hw::Machine>> MakeMachine(const Options& options, int device, const Design& design) {
  const std::string& name = options.configuration.empty() ? design.configuration : options.configuration;
  const hw::Configuration* configuration = hw::FindConfiguration(name);
  if (configuration == nullptr) return InvalidArgument("the .xclbin is for configuration \"", name, "\", unknown here");
  hw::AxiMemoryOptions memory =
      options.ideal_memory ? hw::AxiMemoryOptions::Ideal() : hw::AxiMemoryOptions::ZynqDdr3(configuration->ports);
  memory.base = design.dram_base;
  memory.bytes = design.dram_bytes;
  memory.clock_hz = 1e6 * design.clock_mhz;
  MSQ_ASSIGN_OR_RETURN(auto machine, hw::CreateMachine(*configuration, options.fidelity, memory));
  return hw::AddFaults(std::move(machine), options.FaultsOf(device));
}

}  // namespace msq::emulation

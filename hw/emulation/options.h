// What an emulated board is: the options that follow "emu:DRIVER," or stand in MSQ_XRT_EMULATION.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hw/sim/faulty_machine.h"
#include "hw/sim/machine_factory.h"

namespace msq::emulation {

// docs/hw/xrt_emulation.md has the table.
struct Options {
  hw::Fidelity fidelity = hw::Fidelity::kModel;
  int devices = 1;
  bool ideal_memory = false;
  std::string configuration;  // what the fabric holds; "": what the .xclbin says
  std::vector<hw::Fault> faults;
  std::map<int, std::vector<hw::Fault>> device_faults;  // instead of `faults`, for one device

  const std::vector<hw::Fault>& FaultsOf(int device) const;
};

// "key=value,key=value". INVALID_ARGUMENT names the option that is not understood.
absl::StatusOr<Options> ParseOptions(std::string_view text);

// What an .xclbin says.
struct Design {
  std::string configuration = {};
  std::string platform = {};  // vendor:board:name:version
  uint64_t dram_base = 0;
  uint64_t dram_bytes = 0;
  int clock_mhz = 0;
};

// The machine of board `device` when that is loaded, with its faults.
absl::StatusOr<std::unique_ptr<hw::Machine>> MakeMachine(const Options& options, int device, const Design& design);

}  // namespace msq::emulation

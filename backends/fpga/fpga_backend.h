// The FPGA backend: networks lowered to programs that a pool of accelerators runs, all of one configuration.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/backend.h"
#include "backends/fpga/accelerator.h"
#include "hw/regs/configurations.h"

namespace msq::fpga {

struct FpgaDevice {
  std::string name;
  std::function<absl::StatusOr<std::unique_ptr<Device>>()> open;  // again after each quarantine
  Accelerator::Options accelerator = {};
  bool emulated = false;
};

struct FpgaBackendOptions {
  std::string name = "fpga";
  hw::Configuration configuration = {};
  std::vector<FpgaDevice> devices = {};
  absl::Duration probe_interval = absl::Seconds(5);  // between two looks at a device in quarantine
  double verify_fraction = 0;                        // of the answers, computed again on the CPU beside the requests
};

// Opens all devices, tells them apart and has each compute a known answer. Those that fail are quarantined and looked at
// again; the error names the cause of each when all fail. A device that fails later, or whose answer is found to be wrong, is
// quarantined too; a run is UNAVAILABLE when there is no other. `cpu` runs what the accelerator lacks, and must outlive
// the backend.
absl::StatusOr<std::unique_ptr<Backend>> CreateFpgaBackend(const FpgaBackendOptions& options, const Backend* cpu);

}  // namespace msq::fpga

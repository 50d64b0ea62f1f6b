// A lowered network on a device of the hardware edge, step by step as a backend does it.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/fpga/device.h"
#include "backends/fpga/lowering/program.h"
#include "model/reference/interpreter.h"

namespace msq::testing {

class DeviceProgram {
 public:
  // Puts the program, which must live as long, into the device's memory.
  static absl::StatusOr<DeviceProgram> Load(const fpga::Program& program, fpga::Device* device);

  // Inputs are uploaded, unless told not to be, and the program is started.
  absl::Status Start(const std::vector<reference::Values>& inputs, bool upload = true);
  // Its outputs, once it has ended. INTERNAL names the accelerator's error.
  absl::StatusOr<std::vector<reference::Values>> Finish(absl::Duration patience = absl::Seconds(60));
  absl::StatusOr<std::vector<reference::Values>> Run(const std::vector<reference::Values>& inputs);

 private:
  DeviceProgram(const fpga::Program* program, fpga::Device* device) : program_(program), device_(device) {}

  absl::Status WriteAddress(uint32_t lower, uint64_t value);

  const fpga::Program* program_;
  fpga::Device* device_;
  std::unique_ptr<fpga::DeviceBuffer> buffer_;
};

}  // namespace msq::testing

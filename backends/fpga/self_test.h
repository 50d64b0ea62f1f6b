// Proves that an accelerator computes: a small network on both of its engines, against the CPU's answer.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/backend.h"
#include "backends/fpga/accelerator.h"
#include "hw/regs/configurations.h"

namespace msq::fpga {

// Immutable, so thread-safe.
class SelfTest {
 public:
  static absl::StatusOr<std::unique_ptr<SelfTest>> Create(const hw::Configuration& configuration, const Backend& cpu);
  ~SelfTest();

  // UNAVAILABLE when the accelerator fails or answers wrongly.
  absl::Status Run(const std::shared_ptr<Accelerator>& accelerator) const;

 private:
  struct Data;
  explicit SelfTest(std::unique_ptr<const Data> data);
  const std::unique_ptr<const Data> data_;
};

}  // namespace msq::fpga

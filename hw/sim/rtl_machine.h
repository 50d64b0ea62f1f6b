// A machine whose accelerator is the verilated RTL.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "hw/sim/machine.h"
#include "hw/sim/simulated_kernel.h"

namespace msq::hw {

class RtlMachine final : public Machine {
 public:
  RtlMachine(const AxiMemoryOptions& memory, KernelFactory factory);

  uint32_t ReadRegister(uint32_t address) override { return kernel_->ReadRegister(address); }
  void WriteRegister(uint32_t address, uint32_t value) override;
  bool interrupt() const override { return kernel_->interrupt(); }
  uint64_t Advance(uint64_t cycles) override;
  uint64_t cycle() const override { return kernel_->cycle(); }
  const Completions& completed() const override { return completed_; }
  uint64_t dram_base() const override { return memory_.options().base; }
  std::span<std::byte> dram() override;
  void InjectErrors(uint64_t begin, uint64_t end) override { memory_.InjectErrors(begin, end); }
  void ClearErrors() override { memory_.ClearErrors(); }

  const AxiMemoryStatistics& statistics() const { return memory_.statistics(); }

 private:
  AxiMemory memory_;
  std::unique_ptr<SimulatedKernel> kernel_;
  uint64_t started_at_ = 0;
  Completions completed_;
};

}  // namespace msq::hw

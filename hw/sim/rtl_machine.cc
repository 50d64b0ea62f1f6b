#include "hw/sim/rtl_machine.h"

#include "hw/regs/registers.h"

namespace msq::hw {

RtlMachine::RtlMachine(const AxiMemoryOptions& memory, KernelFactory factory)
    : memory_(memory), kernel_(factory(&memory_)) {}

uint64_t RtlMachine::Advance(uint64_t cycles) {
  uint64_t passed = 0;
  for (; passed < cycles && !kernel_->interrupt(); ++passed) {
    kernel_->Clock();
    if (kernel_->completed() == 0) continue;
    for (size_t unit = 0; unit < completed_.size(); ++unit) {
      if ((kernel_->completed() >> unit & 1) != 0) completed_[unit].push_back(kernel_->cycle() - started_at_);
    }
  }
  return passed;
}

void RtlMachine::WriteRegister(uint32_t address, uint32_t value) {
  kernel_->WriteRegister(address, value);
  if (address != kCtrlRegister || kCtrlApStart.Of(value) == 0) return;
  started_at_ = kernel_->cycle();
  completed_ = {};
}

std::span<std::byte> RtlMachine::dram() {
  return {reinterpret_cast<std::byte*>(memory_.At(memory_.options().base)),
          static_cast<size_t>(memory_.options().bytes)};
}

}  // namespace msq::hw

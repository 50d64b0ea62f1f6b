#include "hw/sim/rtl_machine.h"

namespace msq::hw {

RtlMachine::RtlMachine(const AxiMemoryOptions& memory, KernelFactory factory)
    : memory_(memory), kernel_(factory(&memory_)) {}

uint64_t RtlMachine::Advance(uint64_t cycles) {
  uint64_t passed = 0;
  for (; passed < cycles && !kernel_->interrupt(); ++passed) kernel_->Clock();
  return passed;
}

std::span<std::byte> RtlMachine::dram() {
  return {reinterpret_cast<std::byte*>(memory_.At(memory_.options().base)),
          static_cast<size_t>(memory_.options().bytes)};
}

}  // namespace msq::hw

// One accelerator in simulation: clock, registers, interrupt. Its DRAM is the AxiMemory that it was made with.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "hw/sim/axi_memory.h"

namespace msq::hw {

// Units, as bits of completed() and as opcodes number them.
enum class Unit : uint8_t { kWeights, kLoad, kStore, kConv, kVec };
inline constexpr int kUnits = 5;

// Not thread-safe. Freshly made, it has been reset.
class SimulatedKernel {
 public:
  virtual ~SimulatedKernel() = default;

  // One clock cycle, of the memory too.
  virtual void Clock() = 0;
  // Clock cycles so far.
  virtual uint64_t cycle() const = 0;

  // Over AXI4-Lite: each takes some cycles.
  virtual uint32_t ReadRegister(uint32_t address) = 0;
  virtual void WriteRegister(uint32_t address, uint32_t value) = 0;
  virtual bool interrupt() const = 0;

  // A bit for each unit that completed an instruction in the last cycle.
  virtual uint32_t completed() const = 0;

  // A counter of hw/regs/registers.json by the address of its lower word.
  uint64_t ReadCounter(uint32_t lower) {
    const uint64_t low = ReadRegister(lower);
    return low | uint64_t{ReadRegister(lower + 4)} << 32;
  }
};

// Makes the RTL of one configuration, verilated, with the memory that it is connected to: see hw/sim/kernels.h.
using KernelFactory = std::unique_ptr<SimulatedKernel> (*)(AxiMemory* memory);

}  // namespace msq::hw

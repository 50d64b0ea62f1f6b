// An accelerator with its DRAM: what an emulated device is made of, at one of two fidelities.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/sim/axi_memory.h"
#include "hw/sim/model_checks.h"
#include "hw/sim/simulated_kernel.h"

namespace msq::hw {

using Completions = std::array<std::vector<uint64_t>, kUnits>;

// Not thread-safe. Freshly made, it has been reset. Time is counted in cycles of the fabric's clock; it passes in Advance,
// and in register accesses, which take some cycles as AXI4-Lite does.
class Machine {
 public:
  virtual ~Machine() = default;

  // docs/hw/registers.md. The same bits as the RTL's, whatever the fidelity.
  virtual uint32_t ReadRegister(uint32_t address) = 0;
  virtual void WriteRegister(uint32_t address, uint32_t value) = 0;
  virtual bool interrupt() const = 0;

  // Lets `cycles` pass, fewer if the interrupt is there before. Returns how many.
  virtual uint64_t Advance(uint64_t cycles) = 0;
  virtual uint64_t cycle() const = 0;  // since the reset

  // Of the last program: for each unit, the cycle from the start at which its nth instruction was completed.
  virtual const Completions& completed() const = 0;

  // What the accelerator's masters see from address dram_base() on.
  virtual uint64_t dram_base() const = 0;
  virtual std::span<std::byte> dram() = 0;

  // Accesses of the accelerator to addresses in [begin, end) are answered SLVERR from now on.
  virtual void InjectErrors(uint64_t begin, uint64_t end) = 0;
  virtual void ClearErrors() = 0;
};

// The transaction model: whole instructions in C++, the same bits and nearly the same cycles. `memory.ports` is set here.
std::unique_ptr<Machine> CreateModelMachine(const Configuration& configuration, const AxiMemoryOptions& memory,
                                            ModelChecks checks = ModelChecks::kCheap);

}  // namespace msq::hw

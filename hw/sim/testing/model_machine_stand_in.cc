// Stands for the transaction model where only the RTL is used: it cannot be made.
#include "base/check.h"
#include "hw/sim/machine.h"

namespace msq::hw {

std::unique_ptr<Machine> CreateModelMachine(const Configuration& /*configuration*/,
                                            const AxiMemoryOptions& /*memory*/) {
  MSQ_CHECK(false);
  return nullptr;
}

}  // namespace msq::hw

// What errors_test tests, of MSQ_CONFIGURATION: the RTL or the transaction model, by which file is linked.
#pragma once

#include <memory>
#include <string>

#include "hw/regs/configurations.h"
#include "hw/regs/registers.h"
#include "hw/sim/axi_memory.h"
#include "hw/sim/machine.h"

namespace msq::hw {

const Configuration& TestedConfiguration();
std::unique_ptr<Machine> CreateTestedMachine(const AxiMemoryOptions& memory);

// What a LOAD to a bank that is not there ends with: the hardware goes by the address, the model by the field.
ErrorCode ErrorOfMissingBank();

// The first violation of the bus's protocol by that machine, if there is a bus and one was seen.
std::string FirstViolation(const Machine& machine);

}  // namespace msq::hw

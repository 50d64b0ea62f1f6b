// errors_test on the RTL.
#include "hw/sim/kernels.h"
#include "hw/sim/rtl_machine.h"
#include "tests/cosim/errors_machine.h"

namespace msq::hw {
namespace {

#define MSQ_TEXT_(x) #x
#define MSQ_TEXT(x) MSQ_TEXT_(x)
#define MSQ_JOIN_(a, b) a##b
#define MSQ_JOIN(a, b) MSQ_JOIN_(a, b)
constexpr char kConfiguration[] = MSQ_TEXT(MSQ_CONFIGURATION);
constexpr KernelFactory kFactory = MSQ_JOIN(CreateKernel_, MSQ_CONFIGURATION);

}  // namespace

const Configuration& TestedConfiguration() {
  return *FindConfiguration(kConfiguration);
}

std::unique_ptr<Machine> CreateTestedMachine(const AxiMemoryOptions& memory) {
  return std::make_unique<RtlMachine>(memory, kFactory);
}

ErrorCode ErrorOfMissingBank() {
  return ErrorCode::kActRange;
}

std::string FirstViolation(const Machine& machine) {
  return static_cast<const RtlMachine&>(machine).statistics().first_violation;
}

}  // namespace msq::hw

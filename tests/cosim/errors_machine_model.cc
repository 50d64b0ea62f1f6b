// errors_test on the transaction model.
#include "tests/cosim/errors_machine.h"

namespace msq::hw {
namespace {

#define MSQ_TEXT_(x) #x
#define MSQ_TEXT(x) MSQ_TEXT_(x)
constexpr char kConfiguration[] = MSQ_TEXT(MSQ_CONFIGURATION);

}  // namespace

const Configuration& TestedConfiguration() {
  return *FindConfiguration(kConfiguration);
}

std::unique_ptr<Machine> CreateTestedMachine(const AxiMemoryOptions& memory) {
  return CreateModelMachine(TestedConfiguration(), memory);
}

ErrorCode ErrorOfMissingBank() {
  return ErrorCode::kIllegalInstruction;
}

std::string FirstViolation(const Machine&) {
  return "";
}

}  // namespace msq::hw

// Machines by name and fidelity, and what faults do to them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "base/status.h"
#include "hw/regs/registers.h"
#include "hw/sim/faulty_machine.h"
#include "hw/sim/machine_factory.h"
#include "hw/sim/testing/copy_program.h"

namespace msq::hw {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kBase = 0x10000000, kBytes = 1 << 16;
constexpr uint64_t kFrom = kBase + 0x1000, kTo = kBase + 0x2000;
constexpr int64_t kWords = 40;

const Configuration& Tiny() {
  return *FindConfiguration("tiny");
}

AxiMemoryOptions Memory() {
  AxiMemoryOptions memory = AxiMemoryOptions::Ideal();
  memory.base = kBase;
  memory.bytes = kBytes;
  return memory;
}

class MachineTest : public ::testing::Test {
 protected:
  void Make(std::string_view faults = "") {
    auto made = CreateMachine(Tiny(), Fidelity::kRtl, Memory());
    ASSERT_TRUE(made.ok()) << made.status();
    auto parsed = ParseFaults(faults);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    machine = AddFaults(*std::move(made), *parsed);
    EXPECT_EQ(machine->dram_base(), kBase);
    EXPECT_EQ(machine->dram().size(), kBytes);
  }

  std::byte* At(uint64_t address) { return &machine->dram()[static_cast<size_t>(address - kBase)]; }

  // Puts other words there each time.
  void StartCopy() {
    const auto program = testing::CopyProgram(kFrom, kTo, kWords);
    ASSERT_FALSE(program.empty());
    std::memcpy(At(kBase), program.data(), program.size());
    ++round_;
    for (int64_t i = 0; i < 8 * kWords; ++i) At(kFrom)[i] = static_cast<std::byte>(i * 7 + round_);
    machine->WriteRegister(kProgAddrLoRegister, kBase);
    machine->WriteRegister(kDramBaseLoRegister, kBase);
    machine->WriteRegister(kDramSizeLoRegister, kBytes);
    machine->WriteRegister(kWatchdogRegister, 10'000);
    machine->WriteRegister(kGieRegister, 1);
    machine->WriteRegister(kIerRegister, 1);
    machine->WriteRegister(kIsrRegister, machine->ReadRegister(kIsrRegister));
    machine->WriteRegister(kCtrlRegister, 1);
  }

  // Cycles until the interrupt.
  uint64_t Copy(uint64_t patience = 100'000) {
    StartCopy();
    return machine->Advance(patience);
  }

  int WrongBits() {
    int wrong = 0;
    for (int64_t i = 0; i < 8 * kWords; ++i) {
      wrong += __builtin_popcount(std::to_integer<unsigned>(At(kFrom)[i] ^ At(kTo)[i]));
    }
    return wrong;
  }
  ErrorCode Error() { return static_cast<ErrorCode>(kStatusError.Of(machine->ReadRegister(kStatusRegister))); }
  bool Busy() { return kStatusBusy.Of(machine->ReadRegister(kStatusRegister)) != 0; }

  std::unique_ptr<Machine> machine;

 private:
  int round_ = 0;
};

TEST_F(MachineTest, RunsAProgram) {
  Make();
  EXPECT_EQ(machine->ReadRegister(kIdRegister), kIdValue);
  EXPECT_EQ(machine->ReadRegister(kBuildIdRegister), Tiny().build_id);
  const uint64_t before = machine->cycle();
  const uint64_t cycles = Copy();
  EXPECT_LT(cycles, 1000u);
  EXPECT_GE(machine->cycle(), before + cycles);
  EXPECT_TRUE(machine->interrupt());
  EXPECT_EQ(machine->Advance(10), 0u);
  EXPECT_FALSE(Busy());
  EXPECT_EQ(Error(), ErrorCode::kNone);
  EXPECT_EQ(WrongBits(), 0);
}

TEST_F(MachineTest, AnswersErrorsWhereTheyAreInjected) {
  Make();
  machine->InjectErrors(kFrom, kFrom + 8);
  Copy();
  EXPECT_EQ(Error(), ErrorCode::kAxiError);
  machine->ClearErrors();
  Copy();
  EXPECT_EQ(Error(), ErrorCode::kNone);
}

TEST_F(MachineTest, NamesTheModuleThatIsMissing) {
  ASSERT_EQ(setenv("MSQ_LIBRARY_DIR", "no/such/folder", 1), 0);
  const auto machine = CreateMachine(Tiny(), Fidelity::kRtl, Memory());
  unsetenv("MSQ_LIBRARY_DIR");
  EXPECT_EQ(machine.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(machine.status()), HasSubstr("there is no no/such/folder/libmsq_rtl_tiny.so"));
  EXPECT_THAT(Message(machine.status()), HasSubstr("build the target msq_rtl_tiny"));
}

TEST_F(MachineTest, KnowsFidelitiesByName) {
  EXPECT_EQ(*ParseFidelity("rtl"), Fidelity::kRtl);
  EXPECT_EQ(*ParseFidelity("model"), Fidelity::kModel);
  EXPECT_EQ(FidelityName(Fidelity::kModel), "model");
  EXPECT_THAT(Message(ParseFidelity("RTL").status()), HasSubstr("\"RTL\" is neither model nor rtl"));
}

TEST_F(MachineTest, HangsOnceAndThenWorksAgain) {
  Make("hang@2");
  Copy();
  EXPECT_EQ(WrongBits(), 0);
  machine->WriteRegister(kIsrRegister, machine->ReadRegister(kIsrRegister));
  EXPECT_EQ(Copy(50'000), 50'000u);
  EXPECT_FALSE(machine->interrupt());
  EXPECT_TRUE(Busy());
  EXPECT_EQ(machine->ReadRegister(kCtrlRegister), kCtrlApStart.mask());
  EXPECT_LT(Copy(), 1000u);
  EXPECT_EQ(WrongBits(), 0);
}

TEST_F(MachineTest, HangsFromThenOn) {
  Make("hang@1+");
  for (int i = 0; i < 3; ++i) {
    Copy(1000);
    EXPECT_TRUE(Busy());
  }
}

TEST_F(MachineTest, AnswersSlverrForOneProgram) {
  Make("slverr@1");
  Copy();
  EXPECT_EQ(Error(), ErrorCode::kAxiError);
  Copy();
  EXPECT_EQ(Error(), ErrorCode::kNone);
  EXPECT_EQ(WrongBits(), 0);
}

TEST_F(MachineTest, FlipsOneStoredBit) {
  Make("flip@2");
  for (const int expected : {0, 1, 0}) {
    Copy();
    EXPECT_EQ(Error(), ErrorCode::kNone);
    EXPECT_EQ(WrongBits(), expected);
    machine->WriteRegister(kIsrRegister, machine->ReadRegister(kIsrRegister));
  }
}

TEST_F(MachineTest, IsAnotherDesign) {
  Make("wrong_id;wrong_build_id");
  EXPECT_NE(machine->ReadRegister(kIdRegister), kIdValue);
  EXPECT_NE(machine->ReadRegister(kBuildIdRegister), Tiny().build_id);
}

TEST_F(MachineTest, IsSlow) {
  Make();
  const uint64_t cycles = Copy();
  Make("slow=10");
  const uint64_t before = machine->cycle();
  const uint64_t slow_cycles = Copy();
  EXPECT_NEAR(static_cast<double>(slow_cycles), 10.0 * static_cast<double>(cycles), 50);
  EXPECT_GE(machine->cycle(), before + slow_cycles);
  EXPECT_EQ(WrongBits(), 0);
  // In small steps as in large ones.
  StartCopy();
  uint64_t in_steps = 0;
  while (!machine->interrupt()) in_steps += machine->Advance(3);
  EXPECT_NEAR(static_cast<double>(in_steps), static_cast<double>(slow_cycles), 50);
}

TEST(FaultsTest, NamesTheSpellingThatItDoesNotKnow) {
  for (const char* text : {"hang", "hang@", "hang@0", "hang@x", "slow=0", "slow", "flip@1++", "burn@1"}) {
    const auto faults = ParseFaults(std::string("wrong_id;") + text);
    EXPECT_EQ(faults.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(Message(faults.status()), HasSubstr(std::string("fault \"") + text + "\" is not one of hang@N"));
  }
  EXPECT_TRUE(ParseFaults("")->empty());
  const auto faults = ParseFaults("hang@3;flip@7+");
  ASSERT_EQ(faults->size(), 2u);
  EXPECT_FALSE((*faults)[0].Strikes(4));
  EXPECT_TRUE((*faults)[1].Strikes(8));
  EXPECT_FALSE((*faults)[1].Strikes(6));
}

}  // namespace
}  // namespace msq::hw

// The transaction model's registers, interrupts, counters and ends, as docs/hw/registers.md has them. Errors are tested
// in tests/cosim/errors_test.cc, the same on the RTL; cycles in tests/cosim.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <vector>

#include "hw/regs/isa.h"
#include "hw/regs/registers.h"
#include "hw/sim/machine.h"
#include "hw/sim/testing/copy_program.h"

namespace msq::hw {
namespace {

constexpr uint64_t kBase = 0x10000000, kBytes = 1 << 16;
constexpr uint64_t kFrom = kBase + 0x1000, kTo = kBase + 0x2000;
constexpr int64_t kWords = 40;
constexpr uint64_t kPatience = 100'000;

class ModelMachineTest : public ::testing::Test {
 protected:
  static AxiMemoryOptions Memory() {
    AxiMemoryOptions memory = AxiMemoryOptions::Ideal();
    memory.base = kBase;
    memory.bytes = kBytes;
    return memory;
  }

  void Put(const std::vector<std::byte>& program) {
    std::memcpy(machine_->dram().data(), program.data(), program.size());
    for (int64_t i = 0; i < 8 * kWords; ++i) machine_->dram()[0x1000 + static_cast<size_t>(i)] = std::byte(i * 7);
    Write(kProgAddrLoRegister, kBase);
    Write(kDramBaseLoRegister, kBase);
    Write(kDramSizeLoRegister, kBytes);
  }
  void PutCopy() { Put(testing::CopyProgram(kFrom, kTo, kWords)); }

  uint32_t Read(uint32_t address) { return machine_->ReadRegister(address); }
  void Write(uint32_t address, uint64_t value) { machine_->WriteRegister(address, static_cast<uint32_t>(value)); }
  uint64_t Counter(uint32_t lower) {
    const uint64_t low = Read(lower);
    return low | uint64_t{Read(lower + 4)} << 32;
  }
  bool Busy() { return kStatusBusy.Of(Read(kStatusRegister)) != 0; }
  ErrorCode Error() { return static_cast<ErrorCode>(kStatusError.Of(Read(kStatusRegister))); }

  const Configuration& configuration_ = *FindConfiguration("tiny");
  std::unique_ptr<Machine> machine_ = CreateModelMachine(configuration_, Memory());
};

TEST_F(ModelMachineTest, SaysWhatItIs) {
  EXPECT_EQ(Read(kIdRegister), kIdValue);
  EXPECT_EQ(Read(kIsaVersionRegister), kIsaVersion);
  EXPECT_EQ(Read(kBuildIdRegister), configuration_.build_id);
  EXPECT_EQ(kConfigArrayPixels.Of(Read(kConfigArrayRegister)), static_cast<uint32_t>(configuration_.p));
  EXPECT_EQ(kConfigArrayDrain.Of(Read(kConfigArrayRegister)), static_cast<uint32_t>(configuration_.q));
  EXPECT_EQ(kConfigMemoryBanks.Of(Read(kConfigMemoryRegister)), static_cast<uint32_t>(configuration_.banks));
  EXPECT_EQ(1u << kConfigMemoryWdepthLog2.Of(Read(kConfigMemoryRegister)),
            static_cast<uint32_t>(configuration_.wdepth));
  EXPECT_EQ(Read(kConfigDepthRegister), static_cast<uint32_t>(configuration_.depth));
  Write(kIdRegister, 7);
  EXPECT_EQ(Read(kIdRegister), kIdValue);
}

TEST_F(ModelMachineTest, RegistersHoldTheBitsThatTheyHave) {
  for (const auto& [address, mask] : {std::pair<uint32_t, uint32_t>{kGieRegister, 1},
                                      {kIerRegister, 3},
                                      {kProgAddrLoRegister, ~0u},
                                      {kProgAddrHiRegister, 0xffff},
                                      {kDramBaseHiRegister, 0xffff},
                                      {kDramSizeHiRegister, 0xffff},
                                      {kWatchdogRegister, ~0u},
                                      {kCtrlRegister + 0x20 + 0x0c, 0}}) {
    EXPECT_EQ(Read(address), 0u) << address;
    Write(address, ~0u);
    EXPECT_EQ(Read(address), mask) << address;
  }
}

TEST_F(ModelMachineTest, CtrlGoesFromIdleToDone) {
  PutCopy();
  EXPECT_EQ(Read(kCtrlRegister), kCtrlApIdle.mask());
  Write(kCtrlRegister, kCtrlApStart.mask());
  EXPECT_EQ(Read(kCtrlRegister), kCtrlApStart.mask());
  EXPECT_TRUE(Busy());
  EXPECT_EQ(machine_->Advance(kPatience), kPatience);  // no interrupt is enabled
  EXPECT_FALSE(machine_->interrupt());
  EXPECT_FALSE(Busy());
  EXPECT_EQ(Read(kCtrlRegister), kCtrlApDone.mask() | kCtrlApReady.mask() | kCtrlApIdle.mask());
  EXPECT_EQ(Read(kCtrlRegister), kCtrlApIdle.mask());
  EXPECT_EQ(std::memcmp(&machine_->dram()[0x1000], &machine_->dram()[0x2000], 8 * kWords), 0);
}

TEST_F(ModelMachineTest, TheInterruptIsEnabledTwiceAndToggled) {
  PutCopy();
  Write(kIerRegister, kIerDone.mask());
  Write(kCtrlRegister, kCtrlApStart.mask());
  machine_->Advance(kPatience);
  EXPECT_EQ(Read(kIsrRegister), kIsrDone.mask());
  EXPECT_FALSE(machine_->interrupt());
  Write(kGieRegister, 1);
  EXPECT_TRUE(machine_->interrupt());
  EXPECT_EQ(machine_->Advance(10), 0u);  // it is there already
  Write(kIsrRegister, kIsrDone.mask());
  EXPECT_FALSE(machine_->interrupt());
  Write(kIsrRegister, kIsrReady.mask());  // a bit that was 0
  EXPECT_TRUE(machine_->interrupt());
}

TEST_F(ModelMachineTest, AdvanceStopsAtTheInterrupt) {
  PutCopy();
  Write(kGieRegister, 1);
  Write(kIerRegister, kIerDone.mask());
  Write(kCtrlRegister, kCtrlApStart.mask());
  const uint64_t before = machine_->cycle(), passed = machine_->Advance(kPatience);
  EXPECT_GT(passed, 100u);
  EXPECT_LT(passed, 1000u);
  EXPECT_EQ(machine_->cycle(), before + passed);
  EXPECT_EQ(Counter(kCyclesLoRegister), passed);
}

TEST_F(ModelMachineTest, RestartsByItself) {
  PutCopy();
  Write(kGieRegister, 1);
  Write(kIerRegister, kIerDone.mask());
  Write(kCtrlRegister, kCtrlApStart.mask() | kCtrlAutoRestart.mask());
  for (int i = 0; i < 3; ++i) {
    EXPECT_LT(machine_->Advance(kPatience), 1000u);
    EXPECT_TRUE(Busy());
    Write(kIsrRegister, Read(kIsrRegister));
  }
  Write(kCtrlRegister, 0);
  EXPECT_LT(machine_->Advance(kPatience), 1000u);
  EXPECT_FALSE(Busy());
}

TEST_F(ModelMachineTest, CountsAndCompletesTheSameEachTime) {
  PutCopy();
  Write(kGieRegister, 1);
  Write(kIerRegister, kIerDone.mask());
  uint64_t first = 0;
  for (int i = 0; i < 3; ++i) {
    Write(kCtrlRegister, kCtrlApStart.mask());
    machine_->Advance(kPatience);
    const uint64_t cycles = Counter(kCyclesLoRegister);
    if (i == 0) first = cycles;
    EXPECT_EQ(cycles, first);
    // Three instructions and the words; none beyond END.
    EXPECT_EQ(Counter(kReadBeatsLoRegister), static_cast<uint64_t>(testing::kCopyProgramBytes / 8 + kWords));
    EXPECT_EQ(Counter(kWriteBeatsLoRegister), static_cast<uint64_t>(kWords));
    EXPECT_EQ(Counter(kDoneLoadLoRegister), 1u);
    EXPECT_EQ(Counter(kDoneStoreLoRegister), 1u);
    EXPECT_EQ(Counter(kStepsLoRegister), 0u);
    const Completions& completed = machine_->completed();
    const auto& loads = completed[static_cast<size_t>(Unit::kLoad)];
    const auto& stores = completed[static_cast<size_t>(Unit::kStore)];
    ASSERT_EQ(loads.size(), 1u);
    ASSERT_EQ(stores.size(), 1u);
    EXPECT_LT(loads[0] + kWords, stores[0]);
    EXPECT_LT(stores[0], cycles);
    Write(kIsrRegister, Read(kIsrRegister));
  }
}

// A store that waits for what never comes: the end is there once nothing has moved for as long as the register says.
TEST_F(ModelMachineTest, TheWatchdogCountsFromTheLastProgress) {
  StoreFields store;
  store.wait_load = 1;
  store.dram = static_cast<int64_t>(kTo);
  store.rows = store.row_words = 1;
  Instruction instructions[2];
  ASSERT_EQ(Encode(store, &instructions[0]), "");
  ASSERT_EQ(Encode(EndFields(), &instructions[1]), "");
  std::vector<std::byte> program(sizeof(instructions));
  std::memcpy(program.data(), instructions, sizeof(instructions));
  Put(program);
  Write(kGieRegister, 1);
  Write(kIerRegister, kIerDone.mask());
  for (const uint64_t watchdog : {5000u, 20000u}) {
    Write(kWatchdogRegister, watchdog);
    Write(kCtrlRegister, kCtrlApStart.mask());
    const uint64_t passed = machine_->Advance(kPatience);
    EXPECT_GT(passed, watchdog);
    EXPECT_LT(passed, watchdog + 200);
    EXPECT_EQ(Error(), ErrorCode::kWatchdog);
    EXPECT_EQ(Read(kErrorIndexRegister), 0u);
    Write(kIsrRegister, Read(kIsrRegister));
  }
  Write(kWatchdogRegister, 0);
  Write(kCtrlRegister, kCtrlApStart.mask());
  EXPECT_EQ(machine_->Advance(10 * kPatience), 10 * kPatience);
  EXPECT_TRUE(Busy());
}

TEST_F(ModelMachineTest, WhereThereIsNoMemoryTheBusAnswersWithAnError) {
  PutCopy();
  Put(testing::CopyProgram(kBase + kBytes, kTo, kWords));
  Write(kCtrlRegister, kCtrlApStart.mask());
  machine_->Advance(kPatience);
  EXPECT_EQ(Error(), ErrorCode::kDramRange);
  Write(kDramSizeLoRegister, 2 * kBytes);
  Write(kCtrlRegister, kCtrlApStart.mask());
  machine_->Advance(kPatience);
  EXPECT_EQ(Error(), ErrorCode::kAxiError);
}

}  // namespace
}  // namespace msq::hw

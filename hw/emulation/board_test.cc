// The parts of an emulated board that need no accelerator: memory, options.
#include "hw/emulation/board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "hw/emulation/options.h"

namespace msq::emulation {
namespace {

using ::testing::HasSubstr;

TEST(DramAllocatorTest, HandsOutWholePagesInOrder) {
  hw::DramAllocator dram(0x1000, 4 * hw::DramAllocator::kPage);
  EXPECT_TRUE(dram.empty());
  EXPECT_EQ(dram.Allocate(1), 0x1000u);
  EXPECT_EQ(dram.Allocate(2 * hw::DramAllocator::kPage), 0x2000u);
  EXPECT_EQ(dram.Allocate(2 * hw::DramAllocator::kPage), std::nullopt);
  EXPECT_EQ(dram.Allocate(hw::DramAllocator::kPage), 0x4000u);
  EXPECT_EQ(dram.Allocate(1), std::nullopt);
  dram.Free(0x2000);
  EXPECT_EQ(dram.Allocate(3 * hw::DramAllocator::kPage), std::nullopt);
  EXPECT_EQ(dram.Allocate(hw::DramAllocator::kPage), 0x2000u);
  EXPECT_EQ(dram.Allocate(1), 0x3000u);
  EXPECT_FALSE(dram.empty());
}

TEST(DramAllocatorTest, RefusesWhatCannotBe) {
  hw::DramAllocator dram(0, 8 * hw::DramAllocator::kPage);
  EXPECT_EQ(dram.Allocate(0), std::nullopt);
  EXPECT_EQ(dram.Allocate(~uint64_t{0}), std::nullopt);
  EXPECT_EQ(hw::DramAllocator().Allocate(1), std::nullopt);
}

TEST(OptionsTest, Parses) {
  const auto options =
      ParseOptions("fidelity=rtl,devices=3,memory=ideal,configuration=z020,fault=hang@1;flip@2,fault.1=");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->fidelity, hw::Fidelity::kRtl);
  EXPECT_EQ(options->devices, 3);
  EXPECT_TRUE(options->ideal_memory);
  EXPECT_EQ(options->configuration, "z020");
  EXPECT_EQ(options->FaultsOf(0).size(), 2u);
  EXPECT_EQ(options->FaultsOf(1).size(), 0u);
  EXPECT_TRUE(ParseOptions("").ok());
}

TEST(OptionsTest, NamesWhatItDoesNotKnow) {
  const std::pair<const char*, const char*> bad[] = {
      {"speed=3", "option \"speed\" is none of fidelity, devices"},
      {"fidelity=gate", "fidelity \"gate\" is neither"},
      {"devices=0", "devices=0 is not a number from 1 to 16"},
      {"devices=17", "devices=17 is not"},
      {"memory=sram", "memory=sram is neither"},
      {"configuration=huge", "no configuration \"huge\""},
      {"fault=hung@1", "fault \"hung@1\" is not one of"},
      {"fault.x=hang@1", "option \"fault.x\""},
  };
  for (const auto& [text, message] : bad) {
    const auto options = ParseOptions(text);
    EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(Message(options.status()), HasSubstr(message));
  }
}

TEST(OptionsTest, NamesAnUnknownDesign) {
  const auto machine = MakeMachine(Options(), 0, Design{.configuration = "huge"});
  EXPECT_THAT(Message(machine.status()), HasSubstr("configuration \"huge\", unknown here"));
}

TEST(BoardTest, HasNothingBeforeItIsProgrammed) {
  Board board;
  EXPECT_EQ(board.ReadRegister(0), ~uint32_t{0});
  board.WriteRegister(0, 1);
  EXPECT_EQ(board.Allocate(1), std::nullopt);
  std::byte byte{};
  EXPECT_FALSE(board.Read(0, {&byte, 1}));
  EXPECT_FALSE(board.Cancel(1));
}

}  // namespace
}  // namespace msq::emulation

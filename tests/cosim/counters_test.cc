// The counters of steps that gave DSP lanes and LUT lanes something to do: tiles of which some use neither, one or both.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/kernels.h"
#include "hw/sim/run_program.h"

namespace msq::hw {
namespace {

constexpr uint64_t kBase = 0x40000000, kBytes = 1 << 20;
constexpr uint64_t kWeights = kBase + 0x10000;

struct Expected {
  uint64_t steps = 0, dsp = 0, lut = 0;
};

// Programs of random convolutions over whatever the activation memory holds.
class CountersTest : public ::testing::Test {
 protected:
  CountersTest() : memory_(Options()), kernel_(CreateKernel_tiny(&memory_)) {}

  static AxiMemoryOptions Options() {
    AxiMemoryOptions options = AxiMemoryOptions::RandomStalls(3);
    options.base = kBase;
    options.bytes = kBytes;
    return options;
  }

  int Random(int below) { return static_cast<int>(random_() % static_cast<uint64_t>(below)); }

  template <typename Fields>
  void Add(const Fields& fields) {
    Instruction instruction;
    ASSERT_EQ(Encode(fields, &instruction), "");
    std::memcpy(memory_.At(kBase + kInstructionBytes * count_++), instruction.data(), kInstructionBytes);
  }

  // The weights of one CONV. Bit 0 of a tile's pattern: a DSP lane is used, bit 1: a LUT lane.
  void AddWeights(int64_t rows, const std::vector<int>& patterns) {
    const int64_t lanes = tiny_.lanes();
    WeightsFields weights;
    weights.dram = static_cast<int64_t>(dram_);
    weights.tiles = static_cast<int64_t>(patterns.size());
    weights.param_rows = 2 + 2 * Random(2);
    weights.weight_rows = rows;
    for (const int pattern : patterns) {
      int dsp, lut;
      do dsp = Random(tiny_.lanes());
      while (!tiny_.is_dsp(dsp));
      do lut = Random(tiny_.lanes());
      while (tiny_.is_dsp(lut));
      for (int64_t beat = 0; beat < (weights.param_rows + rows) * lanes; ++beat) {
        uint64_t word = random_();
        if (beat < lanes) {  // row 0: M in the lowest 17 bits
          const bool used = (beat == dsp && (pattern & 1) != 0) || (beat == lut && (pattern & 2) != 0);
          word = (word & ~uint64_t{0x1ffff}) | (used ? uint64_t{1} << Random(17) : 0);
        }
        memory_.Write64(dram_, word);
        dram_ += 8;
      }
    }
    dram_ = (dram_ + 127) / 128 * 128;
    Add(weights);
  }

  void AddConv(Expected* expected) {
    ConvFields conv;
    conv.stream = Random(4) == 0;
    conv.passes = 1 + Random(3);
    conv.tiles = 1 + Random(5);
    conv.last_groups = conv.kernel_h = 1;
    conv.kernel_w = 1 + Random(2);
    conv.channel_groups = 1 + Random(3);
    conv.pixels = conv.stream ? tiny_.p : 1 + Random(9);
    conv.out_width = conv.in_width = conv.pixels;
    conv.in_height = 1;
    conv.in_pixel = conv.out_pixel = conv.in_group = conv.in_tap = conv.out_group = SplitAddress(1, tiny_.banks);
    conv.out_tile = conv.out_group;
    conv.out = SplitAddress(3000, tiny_.banks);
    const int64_t steps = conv.kernel_w * conv.channel_groups;
    conv.weight_rows = conv.stream ? conv.passes * steps : steps;
    std::vector<int> patterns;
    const auto groups = (conv.pixels + tiny_.p - 1) / tiny_.p;
    const auto tile_steps = static_cast<uint64_t>(groups * conv.passes * steps);
    for (int64_t tile = 0; tile < conv.tiles; ++tile) {
      patterns.push_back(Random(4));
      expected->steps += tile_steps;
      if ((patterns.back() & 1) != 0) expected->dsp += tile_steps;
      if ((patterns.back() & 2) != 0) expected->lut += tile_steps;
    }
    AddWeights(conv.weight_rows, patterns);
    Add(conv);
  }

  void Begin() {
    count_ = 0;
    dram_ = kWeights;
  }

  ProgramRun Run() {
    return RunProgram(
        *kernel_,
        {.program = kBase, .window_base = kBase, .window_bytes = kBytes, .watchdog = 2000, .max_cycles = 1'000'000});
  }

  const Configuration& tiny_ = *FindConfiguration("tiny");
  AxiMemory memory_;
  std::unique_ptr<SimulatedKernel> kernel_;
  std::mt19937_64 random_{17};
  uint64_t count_ = 0, dram_ = kWeights;
};

TEST_F(CountersTest, StepsAreBusyForTheLanesOfTheirTile) {
  Expected total;
  for (int round = 0; round < 20; ++round) {
    Begin();
    Expected expected;
    for (int i = 0; i < 8; ++i) AddConv(&expected);
    Add(EndFields{});
    for (int again = 0; again < 2; ++again) {
      const ProgramRun run = Run();
      ASSERT_TRUE(run.ok()) << ErrorName(static_cast<uint32_t>(run.error)) << " at " << run.error_index;
      ASSERT_EQ(run.steps, expected.steps) << "round " << round;
      ASSERT_EQ(run.dsp_busy, expected.dsp) << "round " << round;
      ASSERT_EQ(run.lut_busy, expected.lut) << "round " << round;
    }
    total.steps += expected.steps;
    total.dsp += expected.dsp;
    total.lut += expected.lut;
  }
  EXPECT_GT(total.dsp, 1000u);
  EXPECT_LT(total.dsp, total.steps);
  EXPECT_GT(total.lut, 1000u);
  EXPECT_LT(total.lut, total.steps);
}

// What a program that ended amid a tile left behind is forgotten.
TEST_F(CountersTest, ProgramsBeginAfresh) {
  for (int round = 0; round < 10; ++round) {
    Begin();
    Expected expected;
    for (int i = 0; i < 1 + round % 3; ++i) AddConv(&expected);
    AddWeights(2, {3});
    LoadFields never;
    never.wait_vec = 1;
    never.rows = never.row_words = 1;
    Add(never);
    Add(EndFields{});
    EXPECT_EQ(Run().error, ErrorCode::kWatchdog);
    Begin();
    expected = {};
    for (int i = 0; i < 3; ++i) AddConv(&expected);
    Add(EndFields{});
    const ProgramRun run = Run();
    ASSERT_TRUE(run.ok());
    ASSERT_EQ(run.dsp_busy, expected.dsp) << "round " << round;
    ASSERT_EQ(run.lut_busy, expected.lut) << "round " << round;
  }
}

}  // namespace
}  // namespace msq::hw

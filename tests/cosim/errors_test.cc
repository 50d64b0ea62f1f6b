// How programs end with errors on the RTL and on the transaction model: each kind of error, from each unit that can make
// it, while other units are at work; and that the accelerator runs a good program afterwards as if nothing had been.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/functional_model.h"
#include "hw/sim/run_program.h"
#include "tests/cosim/errors_machine.h"

namespace msq::hw {
namespace {

constexpr uint64_t kBase = 0x40000000, kBytes = 1 << 20;  // DRAM
constexpr uint64_t kWindowBytes = kBytes / 2;             // what programs may touch, from kBase on
constexpr uint64_t kProgram = kBase, kGoodProgram = kBase + 0x2000;
constexpr int64_t kInput = kBase + 0x4000, kOutput = kBase + 0x6000, kWeights = kBase + 0x8000;
constexpr int64_t kOutside = kBase + kWindowBytes;
constexpr int64_t kOutputBytes = 0x2000;
constexpr int64_t kPortStride = 0x1000;
constexpr int64_t kPixels = 37, kGroups = 5, kTiles = 3;
constexpr uint32_t kWatchdog = 3000;

const Configuration& Shape() {
  return TestedConfiguration();
}
Address At(int64_t word) {
  return SplitAddress(word, Shape().banks);
}

// Instructions that compute something together: see GoodProgram. Tests spoil one of them.
WeightsFields Weights() {
  return {.dram = kWeights, .port_stride = kPortStride, .tiles = kTiles, .param_rows = 2, .weight_rows = kGroups};
}
LoadFields Load() {
  return {.dram = kInput,
          .dram_row_stride = 8 * kPixels,
          .rows = kGroups,
          .row_words = kPixels,
          .act = At(0),
          .act_step = At(1),
          .act_row_step = At(1)};
}
ConvFields Conv() {
  ConvFields conv;
  conv.wait_load = 1;
  conv.passes = conv.kernel_h = conv.kernel_w = 1;
  conv.last_groups = Shape().lanes() / Shape().q;
  conv.stride_y = conv.stride_x = conv.dilation_y = conv.dilation_x = conv.in_height = 1;
  conv.tiles = kTiles;
  conv.channel_groups = conv.weight_rows = kGroups;
  conv.pixels = conv.out_width = conv.in_width = kPixels;
  conv.in_pixel = conv.out_pixel = At(1);
  conv.in_group = conv.out_group = conv.out_tile = conv.skip_group = At(kPixels);
  conv.out = At(1000);
  return conv;
}
VecFields Vec() {
  VecFields vec;
  vec.wait_conv = 1;
  vec.groups = kTiles * Shape().lanes() / 16;
  vec.out_height = vec.kernel_h = vec.stride_y = vec.stride_x = vec.in_height = 1;
  vec.kernel_w = 2;
  vec.out_width = kPixels - 1;
  vec.in_width = kPixels;
  vec.in = At(1000);
  vec.in_tap = vec.in_pixel = vec.out_pixel = vec.out_group = At(1);
  vec.in_group = At(2);
  vec.out = At(2000);
  return vec;
}
StoreFields Store() {
  StoreFields store;
  store.wait_vec = 1;
  store.dram = kOutput;
  store.rows = 1;
  store.row_words = Vec().groups * (kPixels - 1);
  store.act = At(2000);
  store.act_step = At(1);
  return store;
}

template <typename Fields>
Instruction Encoded(const Fields& fields) {
  Instruction instruction;
  EXPECT_EQ(Encode(fields, &instruction), "");
  return instruction;
}

std::vector<Instruction> GoodProgram() {
  return {Encoded(Weights()), Encoded(Load()), Encoded(Conv()), Encoded(Vec()), Encoded(Store()), Encoded(EndFields{})};
}

// Much for all units to do, and one instruction that ends it: after all that works, and before more of it.
template <typename Fields>
std::vector<Instruction> Spoiled(const Fields& bad) {
  std::vector<Instruction> program = {Encoded(Weights()), Encoded(Load()), Encoded(Conv()), Encoded(Weights()),
                                      Encoded(Load())};
  program.push_back(Encoded(bad));
  for (const Instruction& more : {Encoded(Load()), Encoded(Vec()), Encoded(Store()), Encoded(Conv())}) {
    program.push_back(more);
  }
  program.push_back(Encoded(EndFields{}));
  return program;
}
constexpr uint32_t kSpoiledAt = 5;

class ErrorsTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  ErrorsTest() : machine_(CreateTestedMachine(Options())) {
    uint64_t random = 7;
    for (uint64_t address = kBase; address < kBase + kBytes; address += 8) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      Write64(address, random ^ random >> 29);
    }
    for (int64_t tile = 0; tile < kTiles; ++tile) WriteParameters(tile);
    Write(kGoodProgram, GoodProgram());
  }

  // Of a tile whose weights are random: such that results are neither all 0 nor all 15.
  void WriteParameters(int64_t tile) {
    const int64_t port_lanes = Shape().lanes() / Shape().ports;
    for (int64_t lane = 0; lane < Shape().lanes(); ++lane) {
      const int64_t beat = port_lanes * (2 + kGroups) * tile + lane % port_lanes;
      const auto at = static_cast<uint64_t>(kWeights + kPortStride * (lane / port_lanes) + 8 * beat);
      const int64_t steps =
          Shape().is_dsp(lane) ? 2048 * kGroups : 123 * 8 * kGroups;  // about half of all weights are negative
      const uint64_t m = 3000 + 97 * static_cast<uint64_t>(lane), s = 20, b = uint64_t{7} << 20;
      const uint64_t c = static_cast<uint64_t>(-steps) & 0xffffff;
      Write64(at, m | s << 17 | c << 23 | uint64_t{500} << 47);
      Write64(at + 8 * static_cast<uint64_t>(port_lanes), b);
    }
  }

  // Sooner or later memory, for errors to come at different times.
  static AxiMemoryOptions Options() {
    AxiMemoryOptions options = GetParam() == 0 ? AxiMemoryOptions::Ideal(Shape().ports)
                                               : AxiMemoryOptions::RandomStalls(GetParam(), Shape().ports);
    options.base = kBase;
    options.bytes = kBytes;
    return options;
  }

  uint8_t* DramAt(uint64_t address) { return reinterpret_cast<uint8_t*>(&machine_->dram()[address - kBase]); }
  void Write64(uint64_t address, uint64_t value) { std::memcpy(DramAt(address), &value, sizeof(value)); }
  uint64_t Read64(uint64_t address) {
    uint64_t value;
    std::memcpy(&value, DramAt(address), sizeof(value));
    return value;
  }
  void Write(uint64_t address, const std::vector<Instruction>& program) {
    std::memcpy(DramAt(address), program.data(), program.size() * kInstructionBytes);
  }

  ProgramRun Run(uint64_t program) {
    const ProgramRun run = RunProgram(*machine_, {.program = program,
                                                  .window_base = kBase,
                                                  .window_bytes = kWindowBytes,
                                                  .watchdog = kWatchdog,
                                                  .max_cycles = 100'000});
    EXPECT_TRUE(run.ended) << "the program does not end";
    EXPECT_EQ(FirstViolation(*machine_), "");
    return run;
  }

  // The good program ends well and stores what the functional model says.
  void ExpectGood() {
    const std::vector<uint8_t> outside(DramAt(kOutside), DramAt(kOutside) + kWindowBytes);
    std::memset(DramAt(kOutput), 0xee, kOutputBytes);
    std::vector<std::byte> dram(kWindowBytes);
    std::memcpy(dram.data(), DramAt(kBase), dram.size());
    FunctionalModel model(Shape());
    const ProgramEnd end = model.Run({dram, kBase}, kGoodProgram);
    ASSERT_TRUE(end.ok()) << end.detail;
    const ProgramRun run = Run(kGoodProgram);
    ASSERT_TRUE(run.ok()) << ErrorName(static_cast<uint32_t>(run.error)) << " at " << run.error_index;
    EXPECT_EQ(run.steps, static_cast<uint64_t>(kTiles * kGroups * ((kPixels + Shape().p - 1) / Shape().p)));
    for (int64_t i = 0; i < kOutputBytes; i += 8) {
      uint64_t expected;
      std::memcpy(&expected, dram.data() + (kOutput - static_cast<int64_t>(kBase)) + i, 8);
      ASSERT_EQ(Read64(static_cast<uint64_t>(kOutput + i)), expected) << "word " << i / 8;
    }
    EXPECT_EQ(std::memcmp(outside.data(), DramAt(kOutside), outside.size()), 0) << "touches what is not its own";
    ++checked_;
  }

  // The program at kProgram ends with that error; the good program does not notice.
  void ExpectError(ErrorCode error, const std::string& what, uint32_t first_index, uint32_t last_index) {
    SCOPED_TRACE(what);
    const std::vector<uint8_t> outside(DramAt(kOutside), DramAt(kOutside) + kWindowBytes);
    const ProgramRun run = Run(kProgram + misalignment_);
    EXPECT_EQ(ErrorName(static_cast<uint32_t>(run.error)), ErrorName(static_cast<uint32_t>(error)));
    EXPECT_GE(run.error_index, first_index);
    EXPECT_LE(run.error_index, last_index);
    EXPECT_EQ(std::memcmp(outside.data(), DramAt(kOutside), outside.size()), 0) << "touches what is not its own";
    machine_->ClearErrors();
    ExpectGood();
  }
  void ExpectError(ErrorCode error, const std::vector<Instruction>& program, const std::string& what) {
    Write(kProgram, program);
    ExpectError(error, what, 0, static_cast<uint32_t>(program.size()) - 1);
  }
  // An instruction amid others is at fault, and was handed out when the error came.
  template <typename Fields>
  void ExpectErrorOf(ErrorCode error, const Fields& bad, const std::string& what) {
    const std::vector<Instruction> program = Spoiled(bad);
    Write(kProgram, program);
    ExpectError(error, what, kSpoiledAt, static_cast<uint32_t>(program.size()) - 1);
  }

  template <typename Fields>
  using Changes = std::vector<std::pair<std::string, std::function<void(Fields&)>>>;
  template <typename Fields>
  void ExpectErrors(ErrorCode error, const Fields& good, const Changes<Fields>& changes) {
    for (const auto& [what, change] : changes) {
      Fields bad = good;
      change(bad);
      ExpectErrorOf(error, bad, what);
      if (HasFailure()) return;
    }
  }

  std::unique_ptr<Machine> machine_;
  uint64_t misalignment_ = 0;
  int checked_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Memories, ErrorsTest, ::testing::Values(0, 1, 2));

TEST_P(ErrorsTest, NoError) {
  for (int i = 0; i < 3; ++i) ExpectGood();
}

TEST_P(ErrorsTest, IllegalOpcode) {
  for (const uint64_t opcode : {0, 7, 130, 255}) {
    std::vector<Instruction> program = Spoiled(Load());
    program[kSpoiledAt][0] = (program[kSpoiledAt][0] & ~uint64_t{0xff}) | opcode;
    Write(kProgram, program);
    ExpectError(ErrorCode::kIllegalInstruction, "opcode " + std::to_string(opcode), kSpoiledAt, kSpoiledAt);
  }
  Write(kProgram, Spoiled(Load()));
  misalignment_ = 64;
  ExpectError(ErrorCode::kIllegalInstruction, "a program that is not aligned", 0, 0);
  EXPECT_EQ(checked_, 5);
}

TEST_P(ErrorsTest, IllegalFieldOfConv) {
  Changes<ConvFields> changes = {{"no pass", [](auto& f) { f.passes = 0; }},
                                 {"9 passes", [](auto& f) { f.passes = 9; }},
                                 {"15 passes", [](auto& f) { f.passes = 15; }},
                                 {"tiles", [](auto& f) { f.tiles = 0; }},
                                 {"pixels", [](auto& f) { f.pixels = 0; }},
                                 {"out_width", [](auto& f) { f.out_width = 0; }},
                                 {"kernel_h", [](auto& f) { f.kernel_h = 0; }},
                                 {"kernel_w", [](auto& f) { f.kernel_w = 0; }},
                                 {"channel_groups", [](auto& f) { f.channel_groups = 0; }},
                                 {"weight_rows", [](auto& f) { f.weight_rows = 0; }},
                                 {"no last_groups", [](auto& f) { f.last_groups = 0; }},
                                 {"many last_groups", [](auto& f) { ++f.last_groups; }},
                                 {"raw, skip", [](auto& f) { f.raw = f.skip = true; }},
                                 {"raw, leaky", [](auto& f) { f.raw = f.leaky = true; }},
                                 {"raw, out8", [](auto& f) { f.raw = f.out8 = true; }},
                                 {"leaky, skip", [](auto& f) { f.leaky = f.skip = true; }}};
  if (Shape().q != 8) changes.emplace_back("out_half", [](auto& f) { f.out_half = true; });
  ExpectErrors(ErrorCode::kIllegalInstruction, Conv(), changes);
  EXPECT_EQ(checked_, Shape().q == 8 ? 16 : 17);
}

// Amid others, and alone with weights of the size that the CONV says, so that it is not stopped by a lack of them. The
// functional model refuses the same programs.
TEST_P(ErrorsTest, WeightRowsThatDoNotAgree) {
  ConvFields stream = Conv();
  stream.stream = true;
  stream.pixels = stream.out_width = Shape().p;
  const Changes<ConvFields> of_passes = {{"first shift", [](auto& f) { f.pass_shift = 1; }},
                                         {"all shifts", [](auto& f) { f.pass_shift = 255; }},
                                         {"a row too few", [](auto& f) { f.weight_rows = kGroups - 1; }},
                                         {"pass 0 ends beyond", [](auto& f) { f.pass0_row = 1; }},
                                         {"pass 0 begins beyond", [](auto& f) { f.pass0_row = 4095; }},
                                         {"pass 1 ends beyond", [](auto& f) { f.passes = 2, f.pass1_row = 1; }},
                                         {"pass 7 begins beyond", [](auto& f) { f.passes = 8, f.pass7_row = 600; }}};
  const Changes<ConvFields> of_streams = {{"pixels", [](auto& f) { f.pixels = Shape().p + 1; }},
                                          {"a row more", [](auto& f) { f.weight_rows = kGroups + 1; }},
                                          {"many rows more", [](auto& f) { f.weight_rows = 200; }},
                                          {"a row less", [](auto& f) { f.weight_rows = kGroups - 1; }},
                                          {"a pass more", [](auto& f) { f.passes = 2; }}};
  ExpectErrors(ErrorCode::kIllegalInstruction, Conv(), of_passes);
  ExpectErrors(ErrorCode::kIllegalInstruction, stream, of_streams);
  const auto alone = [this](const ConvFields& good, const Changes<ConvFields>& changes) {
    for (const auto& [what, change] : changes) {
      ConvFields conv = good;
      change(conv);
      WeightsFields weights = Weights();
      weights.weight_rows = conv.weight_rows;
      const std::vector<Instruction> program = {Encoded(weights), Encoded(Load()), Encoded(conv), Encoded(EndFields{})};
      ExpectError(ErrorCode::kIllegalInstruction, program, what + ", alone");
      std::vector<std::byte> dram(kWindowBytes);
      std::memcpy(dram.data(), DramAt(kBase), dram.size());
      const ProgramEnd end = FunctionalModel(Shape()).Run({dram, kBase}, kProgram);
      EXPECT_EQ(end.error, ErrorCode::kIllegalInstruction) << what;
      EXPECT_EQ(end.instruction, 2) << what;
    }
  };
  alone(Conv(), of_passes);
  alone(stream, of_streams);
  EXPECT_EQ(checked_, 24);
}

// A program whose tiles are not those that its CONV wants ends somehow, without harm to the next one.
TEST_P(ErrorsTest, TilesOfAnotherSizeDoNotOutliveTheProgram) {
  for (const int64_t rows : {kGroups - 1, kGroups + 1}) {
    SCOPED_TRACE(rows);
    WeightsFields weights = Weights();
    weights.weight_rows = rows;
    Write(kProgram, {Encoded(weights), Encoded(Load()), Encoded(Conv()), Encoded(EndFields{})});
    Run(kProgram);
    ExpectGood();
  }
  EXPECT_EQ(checked_, 2);
}

TEST_P(ErrorsTest, IllegalFieldOfWeights) {
  ExpectErrors(ErrorCode::kIllegalInstruction, Weights(),
               Changes<WeightsFields>{{"tiles", [](auto& f) { f.tiles = 0; }},
                                      {"weight_rows", [](auto& f) { f.weight_rows = 0; }},
                                      {"no param_rows", [](auto& f) { f.param_rows = 0; }},
                                      {"1 param_row", [](auto& f) { f.param_rows = 1; }},
                                      {"3 param_rows", [](auto& f) { f.param_rows = 3; }},
                                      {"6 param_rows", [](auto& f) { f.param_rows = 6; }},
                                      {"dram", [](auto& f) { f.dram += 64; }},
                                      {"port_stride", [](auto& f) { f.port_stride = 8; }}});
  EXPECT_EQ(checked_, 8);
}

TEST_P(ErrorsTest, IllegalFieldOfLoadStoreAndVec) {
  ExpectErrors(ErrorCode::kIllegalInstruction, Load(),
               Changes<LoadFields>{{"LOAD rows", [](auto& f) { f.rows = 0; }},
                                   {"LOAD row_words", [](auto& f) { f.row_words = 0; }},
                                   {"LOAD dram", [](auto& f) { f.dram += 4; }},
                                   {"LOAD dram_row_stride", [](auto& f) { f.dram_row_stride += 1; }}});
  ExpectErrors(
      ErrorCode::kIllegalInstruction, Store(),
      Changes<StoreFields>{{"STORE rows", [](auto& f) { f.rows = f.wait_vec = 0; }},
                           {"STORE row_words", [](auto& f) { f.row_words = f.wait_vec = 0; }},
                           {"STORE dram", [](auto& f) { f.dram += 4, f.wait_vec = 0; }},
                           {"STORE dram_row_stride", [](auto& f) { f.dram_row_stride += 1, f.wait_vec = 0; }}});
  ExpectErrors(ErrorCode::kIllegalInstruction, Vec(),
               Changes<VecFields>{{"VEC groups", [](auto& f) { f.groups = 0; }},
                                  {"VEC out_height", [](auto& f) { f.out_height = 0; }},
                                  {"VEC out_width", [](auto& f) { f.out_width = 0; }},
                                  {"VEC kernel_h", [](auto& f) { f.kernel_h = 0; }},
                                  {"VEC kernel_w", [](auto& f) { f.kernel_w = 0; }}});
  EXPECT_EQ(checked_, 13);
}

TEST_P(ErrorsTest, ActivationMemoryLeft) {
  const int64_t end = int64_t{Shape().banks} * Shape().depth;
  ExpectErrors(ErrorCode::kActRange, Conv(),
               Changes<ConvFields>{{"CONV in", [=](auto& f) { f.in = At(end - 3); }},
                                   {"CONV in, below", [](auto& f) { f.in = At(-1); }},
                                   {"CONV in_group", [=](auto& f) { f.in_group = At(end); }},
                                   {"CONV out", [=](auto& f) { f.out = At(end - 3); }},
                                   {"CONV out_pixel", [](auto& f) { f.out_pixel = At(-100); }},
                                   {"CONV skip_in", [=](auto& f) { f.skip = true, f.skip_in = At(end - 3); }}});
  ExpectErrors(ErrorCode::kActRange, Load(),
               Changes<LoadFields>{{"LOAD act", [](auto& f) { f.act = At(-1); }},
                                   {"LOAD act_step", [=](auto& f) { f.act_step = At(end / 5); }}});
  ExpectErrors(ErrorOfMissingBank(), Load(), Changes<LoadFields>{{"LOAD bank", [](auto& f) { f.act.bank = 15; }}});
  ExpectErrors(ErrorCode::kActRange, Store(),
               Changes<StoreFields>{{"STORE act", [=](auto& f) { f.act = At(end - 3), f.wait_vec = 0; }}});
  ExpectErrors(ErrorCode::kActRange, Vec(),
               Changes<VecFields>{{"VEC in", [](auto& f) { f.in = At(-20); }},
                                  {"VEC out", [=](auto& f) { f.out = At(end - 3); }}});
  EXPECT_EQ(checked_, 12);
}

TEST_P(ErrorsTest, DramWindowLeft) {
  const int64_t below = static_cast<int64_t>(kBase) - 128;
  ExpectErrors(ErrorCode::kDramRange, Weights(),
               Changes<WeightsFields>{{"WEIGHTS", [](auto& f) { f.dram = kOutside; }},
                                      {"WEIGHTS, into it", [](auto& f) { f.dram = kOutside - 256; }},
                                      {"WEIGHTS, below", [=](auto& f) { f.dram = below; }}});
  ExpectErrors(ErrorCode::kDramRange, Load(),
               Changes<LoadFields>{{"LOAD", [](auto& f) { f.dram = kOutside; }},
                                   {"LOAD, into it", [](auto& f) { f.dram = kOutside - 8 * kPixels - 8; }},
                                   {"LOAD, below", [](auto& f) { f.dram_row_stride = -0x3000; }}});
  ExpectErrors(ErrorCode::kDramRange, Store(),
               Changes<StoreFields>{{"STORE", [](auto& f) { f.dram = kOutside, f.wait_vec = 0; }},
                                    {"STORE, into it", [](auto& f) { f.dram = kOutside - 264, f.wait_vec = 0; }},
                                    {"STORE, below", [=](auto& f) { f.dram = below, f.wait_vec = 0; }}});
  // A program that has no END before the window has.
  const std::vector<Instruction> loads(4, Encoded(Load()));
  Write(kOutside - loads.size() * kInstructionBytes, loads);
  misalignment_ = kOutside - loads.size() * kInstructionBytes - kProgram;
  ExpectError(ErrorCode::kDramRange, "the program", 0, 3);
  misalignment_ = kOutside - kProgram;
  ExpectError(ErrorCode::kDramRange, "a program outside", 0, 0);
  EXPECT_EQ(checked_, 11);
}

TEST_P(ErrorsTest, ErrorResponses) {
  const auto at = [](int64_t address) { return static_cast<uint64_t>(address); };
  const std::vector<std::pair<std::string, uint64_t>> cases = {
      {"WEIGHTS", at(kWeights)}, {"WEIGHTS, later", at(kWeights + 2000)},
      {"LOAD", at(kInput)},      {"LOAD, last word", at(kInput + 8 * kGroups * kPixels - 8)},
      {"STORE", at(kOutput)},    {"STORE, last word", at(kOutput + 8 * Store().row_words - 8)},
      {"the program", kProgram}, {"END", kProgram + 5 * kInstructionBytes}};
  for (const auto& [what, address] : cases) {
    machine_->InjectErrors(address, address + 8);
    ExpectError(ErrorCode::kAxiError, GoodProgram(), what);
  }
  EXPECT_EQ(checked_, 8);
}

TEST_P(ErrorsTest, Watchdog) {
  LoadFields load = Load();
  load.wait_store = 1;
  ExpectError(ErrorCode::kWatchdog, {Encoded(load), Encoded(EndFields{})}, "LOAD waits for a STORE");
  VecFields vec = Vec();
  vec.wait_conv = 2;
  ExpectError(
      ErrorCode::kWatchdog,
      {Encoded(Weights()), Encoded(Load()), Encoded(Conv()), Encoded(vec), Encoded(Store()), Encoded(EndFields{})},
      "VEC waits for a second CONV");
  ExpectError(ErrorCode::kWatchdog, {Encoded(Load()), Encoded(Conv()), Encoded(EndFields{})}, "CONV has no weights");
  WeightsFields weights = Weights();
  weights.tiles = 9;
  ExpectError(ErrorCode::kWatchdog, {Encoded(weights), Encoded(EndFields{})}, "nobody takes the ninth tile");
  weights = Weights();
  weights.weight_rows = Shape().wdepth + 1;
  weights.tiles = 1;
  ConvFields conv = Conv();
  conv.tiles = 1;
  conv.weight_rows = weights.weight_rows;
  conv.pass0_row = weights.weight_rows - kGroups;
  ExpectError(ErrorCode::kWatchdog, {Encoded(weights), Encoded(Load()), Encoded(conv), Encoded(EndFields{})},
              "a tile that the buffer cannot hold");
  EXPECT_EQ(checked_, 5);
}

}  // namespace
}  // namespace msq::hw

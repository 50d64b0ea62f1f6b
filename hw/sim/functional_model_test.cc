// Hand-made programs: what each instruction does, and how each error ends a program.
#include "hw/sim/functional_model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

namespace msq::hw {
namespace {

constexpr uint64_t kDramBase = 4096;
constexpr int64_t kData = kDramBase + 64 * kInstructionBytes;  // behind the program
constexpr int64_t kOut = kData + 65536;

const Configuration& Tiny() {
  return *FindConfiguration("tiny");
}

// DRAM with a program, data behind it and room for results.
class Machine {
 public:
  explicit Machine(const Configuration& configuration = Tiny())
      : configuration_(configuration), dram_(3 * 65536), model_(configuration) {}

  template <typename Fields>
  Machine& Add(const Fields& fields) {
    Instruction instruction;
    EXPECT_EQ(Encode(fields, &instruction), "");
    return AddRaw(instruction);
  }
  Machine& AddRaw(const Instruction& instruction) {
    std::memcpy(dram_.data() + next_++ * kInstructionBytes, instruction.data(), kInstructionBytes);
    return *this;
  }
  void Write(int64_t address, const std::vector<uint64_t>& words) {
    std::memcpy(dram_.data() + (address - static_cast<int64_t>(kDramBase)), words.data(), 8 * words.size());
  }
  uint64_t Read(int64_t address) const {
    uint64_t word;
    std::memcpy(&word, dram_.data() + (address - static_cast<int64_t>(kDramBase)), 8);
    return word;
  }
  Address At(int64_t word) const { return SplitAddress(word, configuration_.banks); }
  ProgramEnd Run(std::optional<uint64_t> order = std::nullopt) {
    return model_.Run({dram_, kDramBase}, kDramBase, order);
  }
  FunctionalModel& model() { return model_; }
  const Configuration& configuration() const { return configuration_; }

 private:
  const Configuration configuration_;
  std::vector<std::byte> dram_;
  FunctionalModel model_;
  size_t next_ = 0;
};

// One tile: each lane's weight code for input channel 0 of each row, and its parameters.
struct TestTile {
  std::vector<std::vector<uint64_t>> rows;  // [row][lane] beats
  explicit TestTile(int64_t count, const Configuration& c) : rows(static_cast<size_t>(count)) {
    for (auto& row : rows) row.resize(static_cast<size_t>(c.lanes()));
  }
  void SetParams(size_t lane, int64_t m, int64_t s, int64_t c, int64_t n, int64_t b, bool sp2) {
    const auto bits = [](int64_t value, int width) {
      return static_cast<uint64_t>(value) & ((uint64_t{1} << width) - 1);
    };
    rows[0][lane] = bits(m, 17) | bits(s, 6) << 17 | bits(c, 24) << 23 | bits(n, 17) << 47;
    rows[1][lane] = bits(b, 47) | (sp2 ? uint64_t{1} << 47 : 0);
  }
  std::vector<uint64_t> Stream() const {
    std::vector<uint64_t> stream;
    for (const auto& row : rows) stream.insert(stream.end(), row.begin(), row.end());
    return stream;
  }
};

WeightsFields Weights(int64_t weight_rows, int64_t param_rows = 2) {
  return {.dram = kData, .tiles = 1, .param_rows = param_rows, .weight_rows = weight_rows};
}

// A 1x1 convolution of `pixels` pixels in one row from word 0 to word 100.
ConvFields PointConv(const Machine& machine, int64_t pixels) {
  ConvFields conv;
  conv.passes = conv.tiles = conv.last_groups = conv.kernel_h = conv.kernel_w = conv.channel_groups = 1;
  conv.stride_y = conv.stride_x = conv.dilation_y = conv.dilation_x = conv.in_height = conv.weight_rows = 1;
  conv.pixels = conv.out_width = conv.in_width = pixels;
  conv.in = machine.At(0);
  conv.in_pixel = conv.out_pixel = machine.At(1);
  conv.out = machine.At(100);
  return conv;
}

TEST(FunctionalModelTest, ConvolvesWithEveryKindOfWeight) {
  Machine machine;
  TestTile tile(3, machine.configuration());
  // Lane 0: two's complement -7 in channels 0 and 1. Lane 1: the same bits as SP2, -4. Lane 6, in LUTs: SP2 -5 and +8.
  tile.rows[2][0] = 0x99;
  tile.rows[2][1] = 0x99;
  tile.rows[2][6] = 0x7b;
  tile.SetParams(0, 1, 0, -2048, 0, 200, false);
  tile.SetParams(1, 1, 0, -2048, 0, 200, true);
  tile.SetParams(6, 1, 0, -123, 0, 200, false);
  tile.SetParams(7, 1, 0, 0, 0, 33, false);
  machine.Write(kData, tile.Stream());
  ConvFields conv = PointConv(machine, 3);
  conv.out8 = true;
  conv.out_plane = machine.At(50);
  machine.Add(Weights(1)).Add(conv).Add(EndFields{});
  const std::vector<uint64_t> in = {0x0021, 0x00ff, 0x00f0};
  std::copy(in.begin(), in.end(), machine.model().words().begin());
  ASSERT_TRUE(machine.Run().ok());
  const auto code = [&](size_t lane, size_t pixel) {
    const uint64_t low = machine.model().words()[100 + pixel], high = machine.model().words()[150 + pixel];
    return static_cast<int>((low >> (4 * lane) & 15) | (high >> (4 * lane) & 15) << 4);
  };
  const std::vector<int> first = {1, 15, 0}, second = {2, 15, 15};
  for (size_t pixel = 0; pixel < 3; ++pixel) {
    EXPECT_EQ(code(0, pixel), std::max(0, 200 - 7 * (first[pixel] + second[pixel])));
    EXPECT_EQ(code(1, pixel), 200 - 4 * (first[pixel] + second[pixel]));
    EXPECT_EQ(code(6, pixel), std::min(255, 200 - 5 * first[pixel] + 8 * second[pixel]));
    EXPECT_EQ(code(7, pixel), 33);
    EXPECT_EQ(code(2, pixel), 0);
  }
}

// What the array's sums are off by is there, so that a wrong C is seen.
TEST(FunctionalModelTest, ShowsAWrongConstant) {
  for (size_t lane : {size_t{0}, size_t{6}}) {
    Machine machine;
    TestTile tile(3, machine.configuration());
    tile.rows[2][lane] = 0x9;
    tile.SetParams(lane, 1, 0, 0, 0, 0, false);
    machine.Write(kData, tile.Stream());
    ConvFields conv = PointConv(machine, 1);
    conv.raw = true;
    conv.out_pixel = machine.At(8);
    machine.Add(Weights(1)).Add(conv).Add(EndFields{});
    ASSERT_TRUE(machine.Run().ok());
    EXPECT_EQ(machine.model().words()[100 + lane / 2] & 0xffffffff, lane == 0 ? 2048u : 123u);
  }
}

TEST(FunctionalModelTest, PassesShiftAndPadAndAddResiduals) {
  Machine machine;
  TestTile tile(4, machine.configuration());
  // 8-bit activations times 16 * 1 + 2, low digit in row 1; the window of two columns is wider than the image.
  tile.rows[2][6] = 0x2;
  tile.rows[3][6] = 0x4;
  tile.SetParams(6, 1, 4, 0, 3, 8, false);
  machine.Write(kData, tile.Stream());
  ConvFields conv = PointConv(machine, 1);
  conv.passes = 4;
  conv.pass1_row = 0;
  conv.pass2_row = conv.pass3_row = 1;
  conv.pass_plane = 0b0101;
  conv.pass_shift = 0b1010;
  conv.weight_rows = 2;
  conv.first_x = -1;
  conv.pad_low = 3;
  conv.pad_high = 2;
  conv.in_plane = machine.At(10);
  conv.skip = conv.skip8 = conv.out8 = true;
  conv.out_plane = machine.At(1);
  conv.skip_in = machine.At(20);
  conv.skip_plane = machine.At(2);
  machine.Add(Weights(2)).Add(conv).Add(EndFields{});
  machine.model().words()[20] = uint64_t{5} << 24;
  machine.model().words()[22] = uint64_t{1} << 24;
  ASSERT_TRUE(machine.Run().ok());
  // Passes: high digit times high plane, then 16-fold plus high digit times low plane, plus low digit times high plane, then
  // 16-fold plus low digit times low plane.
  const int sum = (2 * 16 + 3 + 2 * 2) * 16 + 2 * 3;
  const int code = (sum + 3 * 0x15 + 8) >> 4;
  EXPECT_EQ(machine.model().words()[100] >> 24 & 15, static_cast<uint64_t>(code & 15));
  EXPECT_EQ(machine.model().words()[101] >> 24 & 15, static_cast<uint64_t>(code >> 4));
}

TEST(FunctionalModelTest, LeakyTakesTheSecondConstantsBelowTheThreshold) {
  Machine machine;
  TestTile tile(5, machine.configuration());
  tile.rows[4][6] = 0x2;
  tile.SetParams(6, 2, 0, 0, 0, 0, false);
  tile.rows[2][6] = 4 | uint64_t{0} << 24;  // T = 4, M' = 0
  tile.rows[3][6] = 1;                      // B' = 1
  machine.Write(kData, tile.Stream());
  ConvFields conv = PointConv(machine, 3);
  conv.leaky = true;
  machine.Add(Weights(1, 4)).Add(conv).Add(EndFields{});
  for (size_t i = 0; i < 3; ++i) machine.model().words()[i] = 3 + i;
  ASSERT_TRUE(machine.Run().ok());
  const std::vector<uint64_t> expected = {1, 8, 10};
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(machine.model().words()[100 + i] >> 24 & 15, expected[i]);
}

// With Q = 8 an instruction may begin in the middle of a word, and leaves the other half alone.
TEST(FunctionalModelTest, WritesHalfWords) {
  Machine machine(*FindConfiguration("paper_z020"));
  TestTile tile(3, machine.configuration());
  for (size_t lane = 0; lane < 40; ++lane) tile.SetParams(lane, 0, 0, 0, 0, static_cast<int64_t>(lane % 16), false);
  // Two ports: each brings half of the lanes.
  const std::vector<uint64_t> stream = tile.Stream();
  std::vector<uint64_t> ports[2];
  for (size_t i = 0; i < stream.size(); ++i) ports[i % 40 / 20].push_back(stream[i]);
  machine.Write(kData, ports[0]);
  machine.Write(kData + 1024, ports[1]);
  WeightsFields weights = Weights(1);
  weights.port_stride = 1024;
  ConvFields conv = PointConv(machine, 1);
  conv.out_half = true;
  conv.last_groups = 2;
  conv.out_group = machine.At(7);
  machine.Add(weights).Add(conv).Add(EndFields{});
  machine.model().words()[100] = machine.model().words()[107] = 0xaaaaaaaaaaaaaaaau;
  ASSERT_TRUE(machine.Run().ok());
  EXPECT_EQ(machine.model().words()[100], 0x76543210aaaaaaaau);
  EXPECT_EQ(machine.model().words()[107], 0xaaaaaaaafedcba98u);
}

// z020: six of every 16 lanes are DSP lanes; words of a tile's channels beside each other, the next tile elsewhere.
TEST(FunctionalModelTest, TilesHaveTheirOwnDistance) {
  Machine machine(*FindConfiguration("z020"));
  std::vector<uint64_t> ports[2];
  for (int t = 0; t < 2; ++t) {
    TestTile tile(3, machine.configuration());
    for (size_t lane = 0; lane < 32; ++lane) {
      const bool dsp = lane % 16 < 6;
      tile.rows[2][lane] = 0x9;  // -7, or SP2 -4
      tile.SetParams(lane, 1, 0, dsp ? -2048 : -123, 0, 9 + t * 2, false);
    }
    const std::vector<uint64_t> stream = tile.Stream();
    for (size_t i = 0; i < stream.size(); ++i) ports[i % 32 / 16].push_back(stream[i]);
  }
  machine.Write(kData, ports[0]);
  machine.Write(kData + 1024, ports[1]);
  WeightsFields weights = Weights(1);
  weights.port_stride = 1024;
  weights.tiles = 2;
  ConvFields conv = PointConv(machine, 2);
  conv.tiles = conv.last_groups = 2;
  conv.out_pixel = machine.At(2);
  conv.out_group = machine.At(1);
  conv.out_tile = machine.At(29);
  machine.Add(weights).Add(conv).Add(EndFields{});
  machine.model().words()[0] = machine.model().words()[1] = 1;
  ASSERT_TRUE(machine.Run().ok());
  for (size_t word = 0; word < 4; ++word) {
    EXPECT_EQ(machine.model().words()[100 + word], 0x5555555555222222u);
    EXPECT_EQ(machine.model().words()[130 + word], 0x7777777777444444u);
  }
  EXPECT_EQ(machine.model().words()[104], 0u);
}

TEST(FunctionalModelTest, LoadsPoolsAndStores) {
  Machine machine;
  // A 4x4 image of 8-bit codes pooled 3x3, stride 2, one row and column of padding before.
  std::vector<uint64_t> words;
  for (uint64_t i = 0; i < 16; ++i) words.push_back(i * 7 % 16);
  for (uint64_t i = 0; i < 16; ++i) words.push_back(i * 5 % 16);
  machine.Write(kData, words);
  LoadFields load = {.dram = kData, .dram_row_stride = 32, .rows = 8, .row_words = 4};
  load.act = machine.At(10);
  load.act_step = load.act_row_step = machine.At(1);
  VecFields vec = {.wait_load = 1, .wide = true, .groups = 1, .out_height = 2, .out_width = 2, .kernel_h = 3};
  vec.kernel_w = 3;
  vec.stride_y = vec.stride_x = 2;
  vec.in_height = vec.in_width = 4;
  vec.first_y = vec.first_x = -1;
  vec.in = machine.At(10 - 5);
  vec.in_tap = vec.out_pixel = vec.out_row = machine.At(1);
  vec.in_tap_row = vec.in_pixel = machine.At(2);
  vec.in_row = machine.At(6);
  vec.in_plane = machine.At(16);
  vec.out = machine.At(60);
  vec.out_plane = machine.At(4);
  StoreFields store = {.wait_vec = 1, .dram = kOut, .rows = 1, .row_words = 8};
  store.act = machine.At(60);
  store.act_step = machine.At(1);
  machine.Add(load).Add(vec).Add(store).Add(EndFields{});
  for (uint64_t order = 0; order < 4; ++order) {
    ASSERT_TRUE(machine.Run(order == 0 ? std::nullopt : std::optional(order)).ok());
    for (int64_t oy = 0; oy < 2; ++oy) {
      for (int64_t ox = 0; ox < 2; ++ox) {
        uint64_t best = 0;
        for (int64_t y = std::max<int64_t>(0, 2 * oy - 1); y < 2 * oy + 2; ++y) {
          for (int64_t x = std::max<int64_t>(0, 2 * ox - 1); x < 2 * ox + 2; ++x) {
            const auto i = static_cast<size_t>(4 * y + x);
            best = std::max(best, words[i] | words[16 + i] << 4);
          }
        }
        EXPECT_EQ(machine.Read(kOut + 8 * (2 * oy + ox)), best & 15);
        EXPECT_EQ(machine.Read(kOut + 8 * (4 + 2 * oy + ox)), best >> 4);
      }
    }
  }
}

struct ErrorCase {
  const char* name;
  ErrorCode error;
  int64_t instruction;
  std::function<void(Machine*, ConvFields*)> make;  // a program; the conv is a good one
};

class FunctionalModelErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(FunctionalModelErrors, EndTheProgram) {
  Machine machine;
  ConvFields conv = PointConv(machine, 2);
  GetParam().make(&machine, &conv);
  const ProgramEnd end = machine.Run();
  EXPECT_EQ(end.error, GetParam().error) << end.detail;
  EXPECT_EQ(end.instruction, GetParam().instruction);
  EXPECT_FALSE(end.detail.empty());
}

// A program whose CONV has been changed.
ErrorCase Bad(const char* name, ErrorCode error, void (*change)(ConvFields*)) {
  return {name, error, 1, [change](Machine* machine, ConvFields* conv) {
            change(conv);
            machine->Add(Weights(1)).Add(*conv).Add(EndFields{});
          }};
}

std::vector<ErrorCase> ErrorCases() {
  const auto illegal = ErrorCode::kIllegalInstruction;
  return {
      {"opcode", illegal, 1, [](Machine* m, ConvFields*) { m->Add(Weights(1)).AddRaw({0xee}); }},
      {"no_end", illegal, 0, [](Machine*, ConvFields*) {}},
      {"no_tiles", illegal, 0, [](Machine* m, ConvFields*) { m->Add(WeightsFields{}).Add(EndFields{}); }},
      {"no_rows", illegal, 0, [](Machine* m, ConvFields*) { m->Add(LoadFields{.dram = kData}).Add(EndFields{}); }},
      {"odd_address", illegal, 0,
       [](Machine* m, ConvFields*) {
         m->Add(StoreFields{.dram = kOut + 4, .rows = 1, .row_words = 1}).Add(EndFields{});
       }},
      {"vec_of_nothing", illegal, 0, [](Machine* m, ConvFields*) { m->Add(VecFields{}).Add(EndFields{}); }},
      Bad("passes", illegal, [](ConvFields* f) { f->passes = 9; }),
      Bad("raw_and_skip", illegal, [](ConvFields* f) { f->raw = f->skip = true; }),
      Bad("leaky_and_skip", illegal, [](ConvFields* f) { f->leaky = f->skip = true; }),
      Bad("last_groups", illegal, [](ConvFields* f) { f->last_groups = 2; }),
      Bad("pixels", illegal, [](ConvFields* f) { f->pixels = 0; }),
      Bad("first_shift", illegal, [](ConvFields* f) { f->pass_shift = 1; }),
      Bad("half_of_16", illegal, [](ConvFields* f) { f->out_half = true; }),
      Bad("pass_row", illegal, [](ConvFields* f) { f->pass0_row = 1; }),
      Bad("stream_rows", illegal,
          [](ConvFields* f) {
            f->stream = true;
            f->passes = 2;
          }),
      Bad("stream_pixels", illegal,
          [](ConvFields* f) {
            f->stream = true;
            f->pixels = 3;
          }),
      Bad("tile_size", illegal, [](ConvFields* f) { f->weight_rows = 2; }),
      Bad("param_rows", illegal, [](ConvFields* f) { f->leaky = true; }),
      Bad("bank", illegal, [](ConvFields* f) { f->in_tile.bank = 3; }),
      Bad("reads_outside", ErrorCode::kActRange,
          [](ConvFields* f) {
            f->in = {2048, 0};
          }),
      Bad("reads_before", ErrorCode::kActRange,
          [](ConvFields* f) {
            f->in = {-1, 0};
          }),
      Bad("writes_outside", ErrorCode::kActRange,
          [](ConvFields* f) {
            f->out = {2047, 2};
          }),
      Bad("waits_for_itself", ErrorCode::kWatchdog, [](ConvFields* f) { f->wait_conv = 1; }),
      Bad("no_second_tile", ErrorCode::kWatchdog, [](ConvFields* f) { f->tiles = 2; }),
      {"large_tile", ErrorCode::kWatchdog, 1,
       [](Machine* m, ConvFields* f) {
         f->weight_rows = 513;
         m->Add(Weights(513)).Add(*f).Add(EndFields{});
       }},
      {"weights_outside", ErrorCode::kDramRange, 0,
       [](Machine* m, ConvFields*) {
         m->Add(WeightsFields{.dram = kDramBase + 3 * 65536, .tiles = 1, .param_rows = 2, .weight_rows = 1})
             .Add(EndFields{});
       }},
      {"load_outside", ErrorCode::kDramRange, 0,
       [](Machine* m, ConvFields*) { m->Add(LoadFields{.dram = 8, .rows = 1, .row_words = 1}).Add(EndFields{}); }},
      {"store_outside", ErrorCode::kDramRange, 0,
       [](Machine* m, ConvFields*) {
         m->Add(StoreFields{.dram = kOut, .dram_row_stride = 65536, .rows = 3, .row_words = 1}).Add(EndFields{});
       }},
  };
}

INSTANTIATE_TEST_SUITE_P(All, FunctionalModelErrors, ::testing::ValuesIn(ErrorCases()),
                         [](const auto& info) { return std::string(info.param.name); });

// Sums and half words are put into words that are there; one that is not is written all the same, not read.
TEST(FunctionalModelTest, SaysThatItWritesOutside) {
  for (const char* name : {"tiny", "paper_z020"}) {
    Machine machine(*FindConfiguration(name));
    const Configuration& c = machine.configuration();
    ConvFields conv = PointConv(machine, 1);
    conv.raw = c.q != 8;
    conv.out_half = c.q == 8;
    conv.out = {c.depth, 0};
    machine.Add(Weights(1)).Add(conv).Add(EndFields{});
    EXPECT_EQ(machine.Run().detail, "writes word " + std::to_string(c.banks * c.depth)) << name;
  }
}

// Taps in the padding may have addresses outside the memory.
TEST(FunctionalModelTest, PaddingHasNoAddress) {
  Machine machine;
  ConvFields conv = PointConv(machine, 1);
  conv.first_y = -1;
  conv.in = {-5, 0};
  machine.Add(Weights(1)).Add(conv).Add(EndFields{});
  EXPECT_TRUE(machine.Run().ok());
}

// How often, in a hundred drawn orders, the second of two instructions of a unit finds that it was overtaken: both write
// word 50, which the program stores in the end. They are a LOAD each, or else copies.
int TimesOvertaken(const Configuration& configuration, bool loads, bool waits) {
  int overtaken = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Machine machine(configuration);
    machine.Write(kData, {1, 2});
    machine.model().words()[1] = 1;
    machine.model().words()[2] = 2;
    for (int64_t i = 0; i < 2; ++i) {
      LoadFields load = {.dram = kData + 8 * i, .rows = 1, .row_words = 1};
      load.act = machine.At(50);
      VecFields vec = {.groups = 1, .out_height = 1, .out_width = 1, .kernel_h = 1, .kernel_w = 1};
      vec.in_height = vec.in_width = 1;
      vec.in = machine.At(1 + i);
      vec.out = machine.At(50);
      load.wait_load = vec.wait_vec = waits ? i : 0;
      loads ? machine.Add(load) : machine.Add(vec);
    }
    StoreFields store = {.dram = kOut, .rows = 1, .row_words = 1};
    (loads ? store.wait_load : store.wait_vec) = 2;
    store.act = machine.At(50);
    EXPECT_TRUE(machine.Add(store).Add(EndFields{}).Run(seed).ok());
    overtaken += machine.Read(kOut) == 1 ? 1 : 0;
  }
  return overtaken;
}

// A wait for the own unit that is missing shows where the unit has several engines, and only there.
TEST(FunctionalModelTest, EnginesOfAUnitOvertakeEachOther) {
  const Configuration& z020 = *FindConfiguration("z020");
  ASSERT_EQ(Tiny().loads, 1);
  ASSERT_EQ(Tiny().vecs, 2);
  ASSERT_EQ(z020.loads, 2);
  ASSERT_EQ(z020.vecs, 1);
  EXPECT_GT(TimesOvertaken(z020, true, false), 10);
  EXPECT_GT(TimesOvertaken(Tiny(), false, false), 10);
  EXPECT_EQ(TimesOvertaken(z020, true, true), 0);
  EXPECT_EQ(TimesOvertaken(Tiny(), false, true), 0);
  EXPECT_EQ(TimesOvertaken(Tiny(), true, false), 0);
  EXPECT_EQ(TimesOvertaken(z020, false, false), 0);
}

// The third of three LOADs has no engine before the first is done, and a completion counts with all those before it.
TEST(FunctionalModelTest, AUnitBeginsAndCompletesInOrder) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Machine machine(*FindConfiguration("z020"));
    machine.Write(kData, {1, 2, 3});
    const auto load = [&](int64_t word, int64_t act) {
      LoadFields fields = {.dram = kData + 8 * word, .rows = 1, .row_words = 1};
      fields.act = machine.At(act);
      return fields;
    };
    StoreFields store = {.wait_load = 1, .dram = kOut, .rows = 1, .row_words = 1};
    store.act = machine.At(50);
    machine.Add(load(0, 50)).Add(load(1, 60)).Add(load(2, 50)).Add(store).Add(EndFields{});
    ASSERT_TRUE(machine.Run(seed).ok());
    ASSERT_NE(machine.Read(kOut), 0u) << "stored before the first LOAD was complete";
    ASSERT_EQ(machine.model().words()[50], 3u) << "the third LOAD overtook the first";
  }
}

// A wait that nothing will fulfil, in any order.
TEST(FunctionalModelTest, DrawnOrdersEndToo) {
  Machine machine;
  ConvFields conv = PointConv(machine, 1);
  conv.wait_vec = 1;
  machine.Add(Weights(1)).Add(conv).Add(EndFields{});
  EXPECT_EQ(machine.Run(7).error, ErrorCode::kWatchdog);
}

}  // namespace
}  // namespace msq::hw

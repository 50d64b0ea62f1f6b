// Instructions that do what the programmer's guide leaves undefined, each beside one that comes near it and does not: the
// functional model refuses them with all checks, and runs them without.
#include "hw/sim/undefined_uses.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "hw/sim/functional_model.h"

namespace msq::hw {
namespace {

constexpr uint64_t kBase = 4096;
constexpr int kHalvesBanks = 2;  // of paper_z020
constexpr int64_t kData = 8192, kPortStride = 16384;

// Of all tiles that a CONV takes.
struct Weights {
  uint64_t all = 1;          // every beat of every row but
  int64_t zero_from = 1000;  // those of steps from here on
  uint64_t shift = 0;        // S of every lane
  uint64_t last_shift = 0;   // S of the last lane, if it is not 0
};

// One instruction with the tiles that it takes, as a program.
ProgramEnd RunAlone(const Configuration& c, const AnyFields& fields, const Weights& weights, ModelChecks checks) {
  std::vector<std::byte> dram(2 * static_cast<size_t>(kPortStride) + 65536);
  std::vector<AnyFields> program;
  if (const auto* conv = std::get_if<ConvFields>(&fields)) {
    const int64_t params = conv->leaky ? 4 : 2, lanes = c.lanes() / c.ports;
    program.push_back(WeightsFields{.dram = kData, .tiles = conv->tiles, .param_rows = params});
    std::get<WeightsFields>(program[0]).weight_rows = conv->weight_rows;
    std::get<WeightsFields>(program[0]).port_stride = kPortStride;
    for (int64_t port = 0; port < c.ports; ++port) {
      std::byte* to = dram.data() + (kData + port * kPortStride - static_cast<int64_t>(kBase));
      for (int64_t row = 0; row < conv->tiles * (params + conv->weight_rows); ++row) {
        const int64_t step = row % (params + conv->weight_rows) - params;
        for (int64_t lane = 0; lane < lanes; ++lane, to += 8) {
          const bool is_last = port + 1 == c.ports && lane + 1 == lanes && weights.last_shift != 0;
          uint64_t beat = step == -params ? (is_last ? weights.last_shift : weights.shift) << 17 : 0;
          if (step >= 0 && step < weights.zero_from) beat = weights.all;
          std::memcpy(to, &beat, 8);
        }
      }
    }
  }
  program.push_back(fields);
  program.emplace_back(EndFields{});
  for (size_t i = 0; i < program.size(); ++i) {
    Instruction instruction;
    EXPECT_EQ(std::visit([&](const auto& each) { return Encode(each, &instruction); }, program[i]), "");
    std::memcpy(dram.data() + i * kInstructionBytes, instruction.data(), kInstructionBytes);
  }
  return FunctionalModel(c, checks).Run({dram, kBase}, kBase);
}

// Fields for banks of "tiny" and, with `halves`, of "paper_z020", whose tiles end in half a word.
struct Case {
  const char* name;
  std::string found;  // empty: it is defined
  AnyFields fields;
  Weights weights = {};
  bool halves = false;
};

void PrintTo(const Case& test, std::ostream* stream) {
  *stream << test.name;
}

Address At(int64_t word, int banks = 3) {
  return SplitAddress(word, banks);
}

// 12 pixels in a row, 1x1, from word 0 on to word 100 on.
Case Conv(const char* name, std::string found, const std::function<void(ConvFields*)>& change, Weights weights = {}) {
  ConvFields f;
  f.passes = f.tiles = f.last_groups = f.kernel_h = f.kernel_w = f.channel_groups = f.weight_rows = 1;
  f.stride_y = f.stride_x = f.dilation_y = f.dilation_x = f.in_height = 1;
  f.pixels = f.out_width = f.in_width = 12;
  f.in_pixel = f.out_pixel = At(1);
  f.in_plane = At(30);
  f.out = At(100);
  f.out_plane = At(30);
  f.skip_in = At(200);
  f.skip_plane = At(30);
  change(&f);
  return {name, std::move(found), f, weights};
}

// Two tiles of 40 channels, which share a word of each pixel.
Case Halves(const char* name, std::string found, const std::function<void(ConvFields*)>& change) {
  const int banks = kHalvesBanks;
  Case made = Conv(name, std::move(found), [&](ConvFields* f) {
    f->tiles = 2;
    f->last_groups = 5;
    f->in_pixel = f->out_pixel = At(1, banks);
    f->out = At(100, banks);
    f->out_group = f->skip_group = At(12, banks);
    f->skip_in = At(300, banks);
    change(f);
  });
  made.halves = true;
  return made;
}

// A copy of two rows of four words from word 0 on to word 100 on.
Case Vec(const char* name, std::string found, const std::function<void(VecFields*)>& change) {
  VecFields f = {.groups = 1, .out_height = 2, .out_width = 4, .kernel_h = 1, .kernel_w = 1};
  f.stride_y = f.stride_x = 1;
  f.in_height = 2;
  f.in_width = 4;
  f.in_tap = f.in_pixel = f.in_row = f.out_pixel = f.out_row = At(1);
  f.in_plane = f.out_plane = At(20);
  f.out = At(100);
  change(&f);
  return {name, std::move(found), f};
}

Case Load(const char* name, std::string found, Address row_step) {
  LoadFields f = {.dram = kData, .dram_row_stride = 32, .rows = 2, .row_words = 4};
  f.act_step = At(1);
  f.act_row_step = row_step;
  return {name, std::move(found), f};
}

void Window3x3(ConvFields* f) {
  f->kernel_h = f->kernel_w = 3;
  f->first_y = f->first_x = -1;
  f->in = At(-13);
  f->in_tap = At(1);
  f->in_tap_row = At(10);
  f->weight_rows = 9;
}

std::vector<Case> InputCases() {
  return {
      Conv("apart", "", [](ConvFields*) {}),
      Conv("in_place", "reads word 0 and writes it", [](ConvFields* f) { f->out = At(0); }),
      Conv("behind_the_input", "", [](ConvFields* f) { f->out = At(12); }),
      Conv("into_the_last_word", "reads word 11 and writes it", [](ConvFields* f) { f->out = At(11); }),
      Conv("beside_the_padding", "",
           [](ConvFields* f) {
             Window3x3(f);
             f->out = At(12);
           }),
      Conv("into_a_window", "reads word 11 and writes it",
           [](ConvFields* f) {
             Window3x3(f);
             f->out = At(11);
           }),
      Conv("over_high_codes", "reads word 30 and writes it",
           [](ConvFields* f) {
             f->pass_plane = 1;
             f->out = At(30);
           }),
      Conv("over_high_codes_that_are_not_read", "", [](ConvFields* f) { f->out = At(30); }),
      Conv("over_low_codes_of_the_second_pass", "reads word 0 and writes it",
           [](ConvFields* f) {
             f->passes = 2;
             f->pass_plane = 1;
             f->out = At(0);
           }),
      Conv("over_what_the_second_tile_reads", "reads word 50 and writes it",
           [](ConvFields* f) {
             f->tiles = 2;
             f->in_tile = At(50);
             f->out = At(50);
             f->out_tile = At(12);
           }),
      Conv("over_a_group_without_weights", "",
           [](ConvFields* f) {
             f->channel_groups = f->weight_rows = 2;
             f->in_group = At(100);
           },
           {.zero_from = 1}),
      Conv("over_a_group_with_weights", "reads word 100 and writes it",
           [](ConvFields* f) {
             f->channel_groups = f->weight_rows = 2;
             f->in_group = At(100);
           }),
      Conv("high_codes_into_the_input", "reads word 0 and writes it",
           [](ConvFields* f) {
             f->out8 = true;
             f->out_plane = At(-100);
           }),
      Conv("sums_into_the_input", "reads word 0 and writes it",
           [](ConvFields* f) {
             f->raw = true;
             f->out_pixel = At(8);
             f->out = At(0);
           }),
  };
}

std::vector<Case> OutputCases() {
  return {
      Conv("all_pixels_to_one_word", "writes word 100 twice", [](ConvFields* f) { f->out_pixel = At(0); }),
      Conv("both_planes_to_one_word", "writes word 100 twice",
           [](ConvFields* f) {
             f->out8 = true;
             f->out_plane = At(0);
           }),
      Conv("sums_across", "writes word 107 twice",
           [](ConvFields* f) {
             f->raw = true;
             f->out_pixel = At(7);
           }),
      Conv("sums_side_by_side", "",
           [](ConvFields* f) {
             f->raw = true;
             f->out_pixel = At(8);
           }),
      Conv("tiles_across", "writes word 111 twice",
           [](ConvFields* f) {
             f->tiles = 2;
             f->out_tile = At(11);
           }),
      Conv("tiles_side_by_side", "",
           [](ConvFields* f) {
             f->tiles = 2;
             f->out_tile = At(12);
           }),
      Halves("halves_of_a_word", "", [](ConvFields*) {}),
      Halves("halves_from_the_second_on", "", [](ConvFields* f) { f->out_half = true; }),
      Halves("groups_across", "writes word 111 twice", [](ConvFields* f) { f->out_group = At(11, kHalvesBanks); }),
  };
}

std::vector<Case> ResidualCases() {
  const auto skip = [](const char* name, std::string found, int64_t out, bool wide, int64_t out_plane) {
    return Conv(name, std::move(found), [&](ConvFields* f) {
      f->skip = true;
      f->skip8 = f->out8 = wide;
      f->out = At(out);
      f->out_plane = At(out_plane);
    });
  };
  return {
      skip("residual_apart", "", 100, false, 30),
      skip("residual_at_its_output", "", 200, false, 30),
      skip("residual_a_pixel_before", "reads word 201 and writes it", 201, false, 30),
      skip("residual_a_pixel_behind", "reads word 200 and writes it", 199, false, 30),
      skip("residual_of_8_bits_at_its_output", "", 200, true, 30),
      skip("residual_with_planes_exchanged", "reads word 200 and writes it", 230, true, -30),
      Halves("residual_halves_at_their_output", "",
             [](ConvFields* f) {
               f->skip = true;
               f->out = f->skip_in;
             }),
      Halves("residual_halves_of_the_tile_before", "reads word 336 and writes it",
             [](ConvFields* f) {
               f->skip = true;
               f->out = At(336, kHalvesBanks);
             }),
  };
}

std::vector<Case> OtherCases() {
  return {
      Conv("shift_47", "", [](ConvFields*) {}, {.shift = 47}),
      Conv("shift_48", "S of lane 15 is 48", [](ConvFields*) {}, {.last_shift = 48}),
      Conv("shift_of_sums", "",
           [](ConvFields* f) {
             f->raw = true;
             f->out_pixel = At(8);
           },
           {.shift = 63}),
      Conv("row_16383", "",
           [](ConvFields* f) {
             f->pixels = 2341;
             f->out_width = 1;
             f->stride_y = 7;
             f->first_y = 3;
             f->in_row = At(0);
           }),
      Conv("row_16384", "a tap lies in row or column 16384, beyond 14 bits",
           [](ConvFields* f) {
             f->pixels = 2341;
             f->out_width = 1;
             f->stride_y = 7;
             f->first_y = 4;
             f->in_row = At(0);
           }),
      Conv("column_16384", "a tap lies in row or column 16384, beyond 14 bits",
           [](ConvFields* f) {
             f->pixels = f->out_width = 2341;
             f->stride_x = 7;
             f->first_x = 4;
             f->in_pixel = At(0);
           }),
      Vec("copy_apart", "", [](VecFields*) {}),
      Vec("copy_in_place", "reads word 0 and writes it", [](VecFields* f) { f->out = At(0); }),
      Vec("copy_behind_the_input", "", [](VecFields* f) { f->out = At(8); }),
      Vec("copy_into_the_last_word", "reads word 7 and writes it", [](VecFields* f) { f->out = At(7); }),
      Vec("copy_into_high_codes", "reads word 20 and writes it",
          [](VecFields* f) {
            f->wide = true;
            f->out = At(20);
          }),
      Vec("copy_high_codes_into_the_input", "reads word 0 and writes it",
          [](VecFields* f) {
            f->wide = true;
            f->out_plane = At(-100);
          }),
      Vec("copy_to_one_word", "writes word 100 twice", [](VecFields* f) { f->out_pixel = At(0); }),
      Vec("maximum_into_its_window", "reads word 1 and writes it",
          [](VecFields* f) {
            f->kernel_w = 2;
            f->in_row = At(1);
            f->out = At(1);
            f->in_height = 1;
          }),
      Load("load_side_by_side", "", At(1)),
      Load("load_across", "writes word 3 twice", At(0)),
  };
}

class UndefinedUsesTest : public ::testing::TestWithParam<Case> {};

TEST_P(UndefinedUsesTest, AreRefusedWithAllChecksAlone) {
  const auto& [name, found, fields, weights, halves] = GetParam();
  const Configuration& c = *FindConfiguration(halves ? "paper_z020" : "tiny");
  const ProgramEnd cheap = RunAlone(c, fields, weights, ModelChecks::kCheap);
  EXPECT_TRUE(cheap.ok()) << cheap.detail;
  const ProgramEnd all = RunAlone(c, fields, weights, ModelChecks::kAll);
  EXPECT_EQ(all.detail, found);
  EXPECT_EQ(all.error, found.empty() ? ErrorCode::kNone : ErrorCode::kIllegalInstruction);
}

std::string NameOf(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Inputs, UndefinedUsesTest, ::testing::ValuesIn(InputCases()), NameOf);
INSTANTIATE_TEST_SUITE_P(Outputs, UndefinedUsesTest, ::testing::ValuesIn(OutputCases()), NameOf);
INSTANTIATE_TEST_SUITE_P(Residuals, UndefinedUsesTest, ::testing::ValuesIn(ResidualCases()), NameOf);
INSTANTIATE_TEST_SUITE_P(Others, UndefinedUsesTest, ::testing::ValuesIn(OtherCases()), NameOf);

}  // namespace
}  // namespace msq::hw

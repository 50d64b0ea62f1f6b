// CONV instructions drawn at random against the programmer's guide, computed number by number.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <vector>

#include "hw/sim/functional_model.h"

namespace msq::hw {
namespace {

constexpr uint64_t kBase = 1 << 16;
constexpr int64_t kPortStride = 1 << 18;
constexpr int64_t kWeights = kBase + 4096;

int64_t Signed(uint64_t bits, int width) {
  return static_cast<int64_t>(bits << (64 - width)) >> (64 - width);
}

int WeightOf(uint64_t code, bool is_sp2) {
  if (!is_sp2) return static_cast<int>(Signed(code, 4));
  constexpr int kFirst[] = {0, 1, 2, 4};
  const int magnitude = kFirst[code >> 1 & 3] + (code % 2 != 0 ? 4 : 0);
  return code >= 8 ? -magnitude : magnitude;
}

// An instruction over an image of `groups` word groups, and the tiles that it takes.
class DrawnConv {
 public:
  DrawnConv(const Configuration& configuration, uint64_t seed)
      : configuration_(configuration), random_(seed), model_(configuration, ModelChecks::kAll) {
    DrawShape();
    DrawPasses();
    DrawOutput();
    DrawTiles();
    for (uint64_t& word : model_.words()) word = random_();
  }

  void Check() {
    const std::vector<uint64_t> before(model_.words().begin(), model_.words().end());
    std::vector<uint64_t> expected = before;
    for (int64_t t = 0; t < f_.tiles; ++t) {
      for (int64_t pixel = 0; pixel < f_.pixels; ++pixel) {
        for (int64_t lane = 0; lane < Written(t); ++lane) Write(before, t, pixel, lane, &expected);
      }
    }
    const ProgramEnd end = Run();
    ASSERT_TRUE(end.ok()) << end.detail;
    const auto differs =
        std::mismatch(expected.begin(), expected.end(), model_.words().begin()).first - expected.begin();
    EXPECT_EQ(differs, std::ssize(expected))
        << "kernel " << f_.kernel_h << 'x' << f_.kernel_w << ", groups " << groups_ << ", tiles " << f_.tiles
        << ", pixels " << f_.pixels << " in rows of " << f_.out_width << ", passes " << f_.passes << ", stream "
        << f_.stream << ", raw " << f_.raw << ", diagonal " << diagonal_;
  }

 private:
  int64_t Draw(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  bool Flip() { return Draw(0, 1) == 1; }
  Address At(int64_t word) const { return SplitAddress(word, configuration_.banks); }
  int64_t Lanes() const { return configuration_.lanes(); }
  int64_t PortLanes() const { return Lanes() / configuration_.ports; }
  int64_t Written(int64_t tile) const { return tile + 1 == f_.tiles ? f_.last_groups * configuration_.q : Lanes(); }

  // At most, of a plane.
  int64_t WordsOfPixel() const { return f_.tiles * Lanes() / 16 + 1; }

  void DrawShape() {
    diagonal_ = PortLanes() % 16 == 0 && Draw(0, 2) == 0;
    f_.tiles = Draw(1, 3);
    f_.kernel_h = Draw(1, 3), f_.kernel_w = Draw(1, 3);
    f_.channel_groups = diagonal_ ? 1 : Draw(1, 3);
    f_.dilation_y = Draw(1, 2), f_.dilation_x = Draw(1, 2), f_.stride_y = Draw(1, 2), f_.stride_x = Draw(1, 2);
    f_.in_width = Draw(0, 2) == 0 ? Draw(25, 160) : Draw(1, 24);
    f_.in_height = Draw(1, std::min<int64_t>(6, kImage / f_.in_width));
    f_.first_y = Draw(-2, 1), f_.first_x = Draw(-2, 1);
    DrawPixels();
    f_.pad_low = Draw(0, 15), f_.pad_high = Draw(0, 15);
    is_by_tile_ = diagonal_ || Draw(0, 3) == 0;
    groups_ = f_.channel_groups + (is_by_tile_ ? f_.tiles - 1 : 0);
    const int64_t image = f_.in_height * f_.in_width, w = f_.in_width, beyond = (f_.channel_groups - 1) * image;
    f_.in = At(kIn + f_.first_y * w + f_.first_x);
    f_.in_tile = At(is_by_tile_ ? image : 0);
    f_.in_plane = At(groups_ * image);
    f_.in_group = At(image);
    f_.in_pixel = At(f_.stride_x);
    f_.in_row = At(f_.stride_y * w - (f_.out_width - 1) * f_.stride_x);
    f_.in_tap = At(f_.dilation_x - beyond);
    f_.in_tap_row = At(f_.dilation_y * w - (f_.kernel_w - 1) * f_.dilation_x - beyond);
  }

  // More than the model computes at once, and few enough for one group of the array.
  void DrawPixels() {
    switch (Draw(0, 3)) {
      case 0:
        f_.out_width = Draw(65, 150);
        f_.pixels = f_.out_width + Draw(0, 20);
        break;
      case 1:
        f_.out_width = Draw(1, 4);
        f_.pixels = Draw(1, configuration_.p);
        break;
      default:
        f_.out_width = Draw(1, 30);
        f_.pixels = f_.out_width * Draw(1, 4) - Draw(0, f_.out_width - 1);
    }
    // Two words of residual and eight of output.
    const int64_t words = int64_t{configuration_.banks} * configuration_.depth - kSkip;
    f_.pixels = std::min(f_.pixels, words / (10 * WordsOfPixel()));
  }

  void DrawPasses() {
    const int64_t steps = f_.kernel_h * f_.kernel_w * f_.channel_groups;
    f_.passes = Draw(1, 8);
    f_.pass_plane = Draw(0, 255);
    f_.pass_shift = Draw(0, 127) * 2;
    f_.stream = f_.pixels <= configuration_.p && Flip();
    f_.weight_rows = f_.stream ? f_.passes * steps : steps + Draw(0, 3);
    for (int64_t* row : {&f_.pass0_row, &f_.pass1_row, &f_.pass2_row, &f_.pass3_row, &f_.pass4_row, &f_.pass5_row,
                         &f_.pass6_row, &f_.pass7_row}) {
      *row = Flip() ? 0 : Draw(0, f_.weight_rows - steps);
    }
  }

  void DrawOutput() {
    f_.last_groups = Draw(1, Lanes() / configuration_.q);
    f_.raw = Draw(0, 3) == 0;
    f_.out8 = !f_.raw && Flip();
    f_.leaky = !f_.raw && Draw(0, 3) == 0;
    f_.skip = !f_.raw && !f_.leaky && Flip();
    f_.skip8 = f_.skip && Flip();
    f_.out_half = configuration_.q == 8 && Flip();
    const int64_t words = f_.raw ? 8 : 1, channels = WordsOfPixel();
    out_ = kSkip + 2 * channels * f_.pixels;
    f_.out = At(out_);
    f_.out_pixel = At(words);
    f_.out_group = At(f_.pixels * words);
    f_.out_tile = At(std::max(1, configuration_.q / 16) * f_.pixels * words);
    f_.out_plane = At(channels * f_.pixels);
    f_.skip_in = At(kSkip);
    f_.skip_group = At(f_.pixels);
    f_.skip_plane = At(channels * f_.pixels);
  }

  void DrawTiles() {
    const int64_t params = f_.leaky ? 4 : 2;
    for (int64_t t = 0; t < f_.tiles; ++t) {
      auto& tile = tiles_.emplace_back(static_cast<size_t>(params + f_.weight_rows));
      for (int64_t row = 0; row < std::ssize(tile); ++row) {
        for (int64_t lane = 0; lane < Lanes(); ++lane) {
          uint64_t beat = random_();
          if (row == 0) beat = (beat & ~(uint64_t{63} << 17)) | static_cast<uint64_t>(Draw(8, 24)) << 17;  // S
          if (row == 1) beat = Signed(beat, 28) & ((uint64_t{1} << 48) - 1);                               // B
          if (row >= params && diagonal_) beat &= uint64_t{15} << (4 * (lane % 16));
          tile[static_cast<size_t>(row)].push_back(beat);
        }
      }
    }
  }

  uint64_t Beat(int64_t tile, int64_t row, int64_t lane) const {
    return tiles_[static_cast<size_t>(tile)][static_cast<size_t>(row)][static_cast<size_t>(lane)];
  }

  // Codes of a window's word; none of the image: the pad code.
  uint64_t WordAt(const std::vector<uint64_t>& words, int64_t plane, int64_t group, int64_t y, int64_t x) const {
    const bool inside = y >= 0 && y < f_.in_height && x >= 0 && x < f_.in_width;
    if (!inside) return 0x1111111111111111u * static_cast<uint64_t>(plane == 0 ? f_.pad_low : f_.pad_high);
    return words[static_cast<size_t>(kIn + ((plane * groups_ + group) * f_.in_height + y) * f_.in_width + x)];
  }

  int64_t Pass(const std::vector<uint64_t>& words, int64_t t, int64_t pixel, int64_t lane, int64_t plane,
               int64_t row) const {
    const bool is_dsp = configuration_.is_dsp(lane), is_sp2 = !is_dsp || (Beat(t, 1, lane) >> 47 & 1) != 0;
    int64_t sum = 0;
    row += f_.leaky ? 4 : 2;
    for (int64_t ky = 0; ky < f_.kernel_h; ++ky) {
      for (int64_t kx = 0; kx < f_.kernel_w; ++kx) {
        for (int64_t g = 0; g < f_.channel_groups; ++g, ++row) {
          const int64_t y = f_.first_y + pixel / f_.out_width * f_.stride_y + ky * f_.dilation_y;
          const int64_t x = f_.first_x + pixel % f_.out_width * f_.stride_x + kx * f_.dilation_x;
          const uint64_t codes = WordAt(words, plane, g + (is_by_tile_ ? t : 0), y, x), beat = Beat(t, row, lane);
          for (int i = 0; i < 64; i += 4) {
            sum += static_cast<int64_t>(codes >> i & 15) * WeightOf(beat >> i & 15, is_sp2);
            if (!is_dsp && (beat >> i & 8) != 0) sum += 123;
          }
          if (is_dsp) sum += 2048;
        }
      }
    }
    return sum;
  }

  int64_t Accumulator(const std::vector<uint64_t>& words, int64_t t, int64_t pixel, int64_t lane) const {
    const int64_t steps = f_.kernel_h * f_.kernel_w * f_.channel_groups;
    std::array rows = {f_.pass0_row, f_.pass1_row, f_.pass2_row, f_.pass3_row,
                       f_.pass4_row, f_.pass5_row, f_.pass6_row, f_.pass7_row};
    for (int64_t pass = 0; f_.stream && pass < f_.passes; ++pass) rows[static_cast<size_t>(pass)] = pass * steps;
    int64_t sum = 0;
    for (size_t pass = 0; pass < static_cast<size_t>(f_.passes); ++pass) {
      sum = sum * ((f_.pass_shift >> pass & 1) != 0 ? 16 : 1) +
            Pass(words, t, pixel, lane, f_.pass_plane >> pass & 1, rows[pass]);
    }
    return Signed(static_cast<uint64_t>(sum + Signed(Beat(t, 0, lane) >> 23, 24)), 24);
  }

  static void Put(uint64_t value, int lsb, int width, uint64_t* word) {
    const uint64_t mask = (uint64_t{1} << width) - 1;
    *word = (*word & ~(mask << lsb)) | (value & mask) << lsb;
  }

  void Write(const std::vector<uint64_t>& words, int64_t t, int64_t pixel, int64_t lane,
             std::vector<uint64_t>* to) const {
    const int64_t slot = t * Lanes() + lane + (f_.out_half ? 8 : 0), plane = WordsOfPixel() * f_.pixels;
    const int64_t acc = Accumulator(words, t, pixel, lane);
    const uint64_t scale = Beat(t, 0, lane), second = f_.leaky ? Beat(t, 2, lane) : 0;
    int64_t m = scale & 0x1ffff, b = Signed(Beat(t, 1, lane), 47);
    const auto at = [](int64_t base, int64_t offset) { return static_cast<size_t>(base + offset); };
    if (f_.raw) {
      uint64_t& word = (*to)[at(out_, (slot / 16 * f_.pixels + pixel) * 8 + slot % 16 / 2)];
      return Put(static_cast<uint64_t>(acc * m + b), static_cast<int>(slot % 2) * 32, 32, &word);
    }
    if (f_.leaky && acc < Signed(second, 24)) m = second >> 24 & 0x1ffff, b = Signed(Beat(t, 3, lane), 47);
    const int64_t place = slot / 16 * f_.pixels + pixel;
    const int nibble = static_cast<int>(slot % 16) * 4;
    int64_t skip = f_.skip ? words[at(kSkip, place)] >> nibble & 15 : 0;
    if (f_.skip8) skip += static_cast<int64_t>(words[at(kSkip, place + plane)] >> nibble & 15) * 16;
    const int64_t total = acc * m + skip * static_cast<int64_t>(scale >> 47) + b;
    const auto code = static_cast<uint64_t>(std::clamp<int64_t>(total >> (scale >> 17 & 63), 0, f_.out8 ? 255 : 15));
    Put(code, nibble, 4, &(*to)[at(out_, place)]);
    if (f_.out8) Put(code >> 4, nibble, 4, &(*to)[at(out_, place + plane)]);
  }

  ProgramEnd Run() {
    std::vector<std::byte> dram(
        static_cast<size_t>(kWeights - static_cast<int64_t>(kBase) + configuration_.ports * kPortStride));
    const int64_t params = f_.leaky ? 4 : 2;
    WeightsFields weights = {.dram = kWeights, .tiles = f_.tiles, .param_rows = params, .weight_rows = f_.weight_rows};
    weights.port_stride = kPortStride;
    weights.diagonal = diagonal_;
    std::byte* place = dram.data();
    for (const auto& fields : std::vector<AnyFields>{weights, f_, EndFields{}}) {
      Instruction instruction;
      EXPECT_EQ(std::visit([&](const auto& each) { return Encode(each, &instruction); }, fields), "");
      std::memcpy(place, instruction.data(), kInstructionBytes);
      place += kInstructionBytes;
    }
    for (int64_t port = 0; port < configuration_.ports; ++port) {
      std::vector<uint64_t> stream;
      for (const auto& tile : tiles_) {
        for (int64_t row = 0; row < std::ssize(tile); ++row) {
          const auto from = tile[static_cast<size_t>(row)].begin() + port * PortLanes();
          const bool is_short = diagonal_ && row >= params;
          for (int64_t lane = 0; lane < PortLanes(); ++lane) {
            if (!is_short || lane % 16 == 0) stream.push_back(0);
            stream.back() |= from[lane];
          }
        }
      }
      std::memcpy(dram.data() + (kWeights - static_cast<int64_t>(kBase)) + port * kPortStride, stream.data(),
                  8 * stream.size());
    }
    return model_.Run({dram, kBase}, kBase);
  }

  // Words where the input, the residual and the output begin; there is padding before the first.
  static constexpr int64_t kIn = 200, kImage = 240, kSkip = kIn + 2 * 5 * kImage;
  int64_t out_ = 0;

  const Configuration& configuration_;
  std::mt19937_64 random_;
  FunctionalModel model_;
  ConvFields f_;
  bool diagonal_ = false, is_by_tile_ = false;
  int64_t groups_ = 1;
  std::vector<std::vector<std::vector<uint64_t>>> tiles_;  // [tile][row][lane]
};

class FunctionalConvTest : public ::testing::TestWithParam<const char*> {};

TEST_P(FunctionalConvTest, ComputesWhatTheGuideSays) {
  for (uint64_t seed = 0; seed < 120; ++seed) {
    SCOPED_TRACE(seed);
    DrawnConv(*FindConfiguration(GetParam()), seed).Check();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(All, FunctionalConvTest, ::testing::Values("tiny", "z020", "z045", "paper_z020", "paper_z045"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace msq::hw

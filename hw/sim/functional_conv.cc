// The CONV instruction of the functional model.
#include <array>
#include <utility>

#include "hw/sim/dot_product.h"
#include "hw/sim/functional_model.h"
#include "model/numerics/requantize.h"
#include "model/numerics/scheme.h"

namespace msq::hw {
namespace {

constexpr int64_t kSums = int64_t{1} << 24;  // accumulators are modulo this

// `width` bits of `word` from `lsb` on.
int64_t Bits(uint64_t word, int lsb, int width) {
  return static_cast<int64_t>(word >> lsb & ((uint64_t{1} << width) - 1));
}
int64_t SignedBits(uint64_t word, int lsb, int width) {
  const int64_t value = Bits(word, lsb, width);
  return value >> (width - 1) != 0 ? value - (int64_t{1} << width) : value;
}

int32_t Wrap24(int64_t sum) {
  const int64_t low = ((sum % kSums) + kSums) % kSums;
  return static_cast<int32_t>(low >= kSums / 2 ? low - kSums : low);
}

int8_t DecodeTwosComplement(uint64_t code) {
  return static_cast<int8_t>(code >= 8 ? static_cast<int>(code) - 16 : static_cast<int>(code));
}

// Of any code, canonical or not.
int8_t DecodeSp2(uint64_t code) {
  const int magnitude = numerics::kSp2First[code >> 1 & 3] + numerics::kSp2Second[code & 1];
  return static_cast<int8_t>((code & 8) != 0 ? -magnitude : magnitude);
}

// Nibble i of the word to byte i.
void ExpandNibbles(uint64_t word, uint8_t* bytes) {
  for (int half = 0; half < 2; ++half) {
    uint64_t spread = word >> (32 * half) & 0xffffffffu;
    spread = (spread | spread << 16) & 0x0000ffff0000ffffu;
    spread = (spread | spread << 8) & 0x00ff00ff00ff00ffu;
    spread = (spread | spread << 4) & 0x0f0f0f0f0f0f0f0fu;
    for (int i = 0; i < 8; ++i) bytes[8 * half + i] = static_cast<uint8_t>(spread >> (8 * i));
  }
}

}  // namespace

// The constants of one lane, named as in the programmer's guide.
struct FunctionalModel::Constants {
  // `row` is the lane's beat of parameter row 0; the other rows follow, `stride` apart.
  Constants(const uint64_t* row, size_t stride, bool leaky)
      : m(Bits(row[0], 0, 17)),
        s(static_cast<int>(Bits(row[0], 17, 6))),
        c(SignedBits(row[0], 23, 24)),
        n(Bits(row[0], 47, 17)),
        b(SignedBits(row[stride], 0, 47)) {
    if (!leaky) return;
    t = SignedBits(row[2 * stride], 0, 24);
    m_below = Bits(row[2 * stride], 24, 17);
    b_below = SignedBits(row[3 * stride], 0, 47);
  }
  int64_t m;
  int s;
  int64_t c, n, b;
  int64_t t = 0, m_below = 0, b_below = 0;
};

struct FunctionalModel::Lanes {
  size_t lanes;
  size_t rows;
  std::vector<Constants> constants;  // [lane]
  std::vector<int8_t> weights;       // [lane][row][16]
  std::vector<int64_t> negative;     // [lane][row + 1]: weights with the sign bit in the rows before
};

struct FunctionalModel::Walk {
  struct Place {
    int64_t word, y, x;
  };
  std::vector<Place> pixels;  // of the first tap
  std::vector<Place> steps;   // relative to it
};

std::string_view FunctionalModel::Contradiction(const ConvFields& f) const {
  const int64_t steps = f.kernel_h * f.kernel_w * f.channel_groups;
  if (f.passes < 1 || f.passes > 8) return "passes";
  if (f.raw && (f.skip || f.leaky || f.out8)) return "raw with skip, leaky or out8";
  if (f.skip && f.leaky) return "skip with leaky";
  if (f.tiles < 1 || f.last_groups < 1 || f.last_groups > configuration_.lanes() / configuration_.q) return "tiles";
  if (f.pixels < 1 || f.out_width < 1 || steps < 1) return "a size is 0";
  if ((f.pass_shift & 1) != 0) return "the first pass shifts nothing";
  if (f.out_half && configuration_.q != 8) return "out_half";
  if (f.stream) {
    if (f.pixels > configuration_.p) return "stream with more than one group of pixels";
    return f.weight_rows == f.passes * steps ? "" : "weight_rows";
  }
  const std::array<int64_t, 8> rows = {f.pass0_row, f.pass1_row, f.pass2_row, f.pass3_row,
                                       f.pass4_row, f.pass5_row, f.pass6_row, f.pass7_row};
  for (size_t i = 0; i < static_cast<size_t>(f.passes); ++i) {
    if (rows[i] + steps > f.weight_rows) return "a pass ends beyond the tile";
  }
  return "";
}

FunctionalModel::Lanes FunctionalModel::Unpack(const ConvFields& f, const Tile& tile) const {
  const auto lanes = static_cast<size_t>(configuration_.lanes()), rows = static_cast<size_t>(f.weight_rows);
  const size_t param_beats = static_cast<size_t>(tile.param_rows) * lanes;
  Lanes result{lanes, rows, {}, {}, {}};
  result.weights.reserve(lanes * rows * 16);
  for (size_t lane = 0; lane < lanes; ++lane) {
    const bool is_dsp = configuration_.is_dsp(static_cast<int64_t>(lane));
    const bool twos_complement = is_dsp && Bits(tile.beats[lanes + lane], 47, 1) == 0;
    result.constants.emplace_back(tile.beats.data() + lane, lanes, f.leaky);
    int64_t negative = 0;
    result.negative.push_back(0);
    for (size_t row = 0; row < rows; ++row) {
      const uint64_t beat = tile.beats[param_beats + row * lanes + lane];
      for (int i = 0; i < 16; ++i) {
        const auto code = static_cast<uint64_t>(Bits(beat, 4 * i, 4));
        result.weights.push_back(twos_complement ? DecodeTwosComplement(code) : DecodeSp2(code));
        negative += static_cast<int64_t>(code >> 3);
      }
      result.negative.push_back(negative);
    }
  }
  return result;
}

void FunctionalModel::Execute(const ConvFields& f) {
  if (const std::string_view what = Contradiction(f); !what.empty()) {
    return Fail(ErrorCode::kIllegalInstruction, std::string(what));
  }
  if (!f.stream && f.weight_rows > configuration_.wdepth) {
    return Fail(ErrorCode::kWatchdog,
                "the weight buffer cannot hold a tile of " + std::to_string(f.weight_rows) + " rows");
  }
  Walk walk;
  int64_t word = Word(f.in);
  for (int64_t pixel = 0; pixel < f.pixels; ++pixel) {
    const int64_t oy = pixel / f.out_width, ox = pixel % f.out_width;
    walk.pixels.push_back({word, f.first_y + oy * f.stride_y, f.first_x + ox * f.stride_x});
    word += Word(ox + 1 < f.out_width ? f.in_pixel : f.in_row);
  }
  int64_t offset = 0;
  for (int64_t ky = 0; ky < f.kernel_h; ++ky) {
    for (int64_t kx = 0; kx < f.kernel_w; ++kx) {
      for (int64_t g = 0; g < f.channel_groups; ++g) {
        walk.steps.push_back({offset, ky * f.dilation_y, kx * f.dilation_x});
        const bool tap_ends = g + 1 == f.channel_groups;
        offset += Word(!tap_ends ? f.in_group : kx + 1 < f.kernel_w ? f.in_tap : f.in_tap_row);
      }
    }
  }
  for (int64_t t = 0; t < f.tiles && ok(); ++t) {
    const Tile tile = std::move(tiles_.front());
    tiles_.pop_front();
    if (tile.weight_rows != f.weight_rows || tile.param_rows != (f.leaky ? 4 : 2)) {
      return Fail(ErrorCode::kIllegalInstruction, "the next tile of the weight buffer has another size");
    }
    const Lanes lanes = Unpack(f, tile);
    for (int64_t pixel = 0; pixel < f.pixels && ok(); ++pixel) ComputePixel(f, lanes, walk, t, pixel);
  }
}

void FunctionalModel::ComputePixel(const ConvFields& f, const Lanes& lanes, const Walk& walk, int64_t tile,
                                   int64_t pixel) {
  const size_t steps = walk.steps.size();
  auto& codes = codes_;
  const Walk::Place& first = walk.pixels[static_cast<size_t>(pixel)];
  for (size_t plane = 0; plane < 2; ++plane) {
    const auto reads = [&](int64_t pass) { return static_cast<size_t>(f.pass_plane >> pass & 1) == plane; };
    bool is_read = false;
    for (int64_t pass = 0; pass < f.passes; ++pass) is_read = is_read || reads(pass);
    if (!is_read) continue;
    codes[plane].resize(16 * steps);
    uint8_t* next = codes[plane].data();
    for (const Walk::Place& step : walk.steps) {
      const int64_t y = first.y + step.y, x = first.x + step.x;
      const bool inside = y >= 0 && y < f.in_height && x >= 0 && x < f.in_width;
      const int64_t word = first.word + step.word + tile * Word(f.in_tile) + (plane == 1 ? Word(f.in_plane) : 0);
      const uint64_t pad = static_cast<uint64_t>(plane == 1 ? f.pad_high : f.pad_low) * 0x1111111111111111u;
      const uint64_t value = inside ? ReadWord(word) : pad;
      ExpandNibbles(value, next);
      next += 16;
    }
  }
  const std::array<int64_t, 8> rows = {f.pass0_row, f.pass1_row, f.pass2_row, f.pass3_row,
                                       f.pass4_row, f.pass5_row, f.pass6_row, f.pass7_row};
  const bool is_last = tile + 1 == f.tiles;
  const size_t written = is_last ? static_cast<size_t>(f.last_groups * configuration_.q) : lanes.lanes;
  for (size_t lane = 0; lane < written; ++lane) {
    int64_t sum = 0;
    for (size_t pass = 0; pass < static_cast<size_t>(f.passes); ++pass) {
      const size_t row = f.stream ? pass * steps : static_cast<size_t>(rows[pass]);
      const uint8_t* a = codes[f.pass_plane >> pass & 1].data();
      const int8_t* w = lanes.weights.data() + (lane * lanes.rows + row) * 16;
      const int32_t raw = DotProduct(a, w, 16 * steps);
      const int64_t* negative = lanes.negative.data() + lane * (lanes.rows + 1) + row;
      const bool is_dsp = configuration_.is_dsp(static_cast<int64_t>(lane));
      const int64_t excess = is_dsp ? 2048 * static_cast<int64_t>(steps) : 123 * (negative[steps] - negative[0]);
      sum = sum * ((f.pass_shift >> pass & 1) != 0 ? 16 : 1) + raw + excess;
    }
    const Constants& constants = lanes.constants[lane];
    WriteCode(f, {tile, static_cast<int64_t>(lane), pixel}, constants, Wrap24(sum + constants.c));
  }
}

void FunctionalModel::WriteCode(const ConvFields& f, const Output& at, const Constants& constants, int32_t acc) {
  const int64_t slot = (f.out_half ? 8 : 0) + at.tile * configuration_.lanes() + at.lane;
  const int64_t group = slot / 16, nibble = slot % 16, pixel = at.pixel;
  int64_t out = Word(f.out) + pixel * Word(f.out_pixel) + group * Word(f.out_group);
  if (configuration_.q != 8) {
    // Between tiles there is a step of its own instead of one from the tile's last Q channels to the next ones.
    out += at.tile * (Word(f.out_tile) - configuration_.q / 16 * Word(f.out_group));
  }
  if (f.raw) {
    const auto value = static_cast<uint32_t>(acc * constants.m + constants.b);
    const int64_t word = out + nibble / 2;
    const int shift = nibble % 2 == 0 ? 0 : 32;
    return WriteWord(word, (ReadWord(word) & ~(uint64_t{0xffffffff} << shift)) | uint64_t{value} << shift);
  }
  const bool below = f.leaky && acc < constants.t;
  const int64_t m = below ? constants.m_below : constants.m, b = below ? constants.b_below : constants.b;
  uint32_t skip = 0;
  if (f.skip) {
    const int64_t word = Word(f.skip_in) + group * Word(f.skip_group) + pixel;
    skip = ReadNibble(word, nibble);
    if (f.skip8) skip |= ReadNibble(word + Word(f.skip_plane), nibble) << 4;
  }
  const int64_t total = acc * m + skip * (f.skip ? constants.n : 0) + b;
  const uint8_t code = numerics::ShiftAndClamp(total, constants.s, f.out8 ? 8 : 4);
  WriteNibble(out, nibble, code & 15u);
  if (f.out8) WriteNibble(out + Word(f.out_plane), nibble, code >> 4);
}

}  // namespace msq::hw

// The CONV instruction of the functional model.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "hw/sim/conv_kernels.h"
#include "hw/sim/functional_model.h"
#include "model/numerics/scheme.h"

namespace msq::hw {
namespace {

constexpr size_t kChannels = 16;  // of a word

// `width` bits of `word` from `lsb` on.
int64_t Bits(uint64_t word, int lsb, int width) {
  return static_cast<int64_t>(word >> lsb & ((uint64_t{1} << width) - 1));
}
int64_t SignedBits(uint64_t word, int lsb, int width) {
  const int64_t value = Bits(word, lsb, width);
  return value >> (width - 1) != 0 ? value - (int64_t{1} << width) : value;
}

// Accumulators are modulo 2^24.
int32_t Wrap24(uint32_t sum) {
  return static_cast<int32_t>(sum << 8) >> 8;
}

int8_t DecodeTwosComplement(uint64_t code) {
  return static_cast<int8_t>(code >= 8 ? static_cast<int>(code) - 16 : static_cast<int>(code));
}

// Of any code, canonical or not.
int8_t DecodeSp2(uint64_t code) {
  const int magnitude = numerics::kSp2First[code >> 1 & 3] + numerics::kSp2Second[code & 1];
  return static_cast<int8_t>((code & 8) != 0 ? -magnitude : magnitude);
}

// What four codes are worth, for all that four codes may be.
using Quarter = std::array<int8_t, 4>;

std::vector<Quarter> QuartersOf(int8_t (*decode)(uint64_t)) {
  std::vector<Quarter> quarters(1 << 16);
  for (size_t codes = 0; codes < quarters.size(); ++codes) {
    for (size_t i = 0; i < 4; ++i) quarters[codes][i] = decode(codes >> (4 * i) & 15);
  }
  return quarters;
}

// Of 16 codes those with the sign bit.
uint32_t CountNegative(uint64_t beat) {
  const uint64_t signs = beat >> 3 & 0x1111111111111111u;
  const uint64_t pairs = (signs + (signs >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  return static_cast<uint32_t>(pairs * 0x0101010101010101u >> 56);
}

// A nibble a byte, those of a byte after each other, the low one first.
void ExpandNibbles(const uint8_t* from, size_t bytes, uint8_t* to) {
  for (size_t i = 0; i < bytes; ++i) {
    to[2 * i] = from[i] & 15;
    to[2 * i + 1] = from[i] >> 4;
  }
}

// Nibbles `shift / 4` of eight bytes, one after the other.
uint32_t PackNibbles(const uint8_t* bytes, int shift) {
  uint64_t spread;
  std::memcpy(&spread, bytes, sizeof(spread));
  spread = spread >> shift & 0x0f0f0f0f0f0f0f0fu;
  spread = (spread | spread >> 4) & 0x00ff00ff00ff00ffu;
  spread = (spread | spread >> 8) & 0x0000ffff0000ffffu;
  return static_cast<uint32_t>(spread | spread >> 16);
}

}  // namespace

// A tile as CONV uses it, all lanes beside each other.
struct FunctionalModel::Lanes {
  size_t lanes;                  // rounded up to whole blocks
  const int8_t* weights;         // [row][4][lanes][4], as the kernels want them
  std::vector<uint32_t> excess;  // [pass][lanes]: what the array's sums are too large by
  std::vector<uint32_t> c;
  std::vector<int32_t> m, n, s, t, m_below;
  std::vector<int64_t> b, b_below;
};

// Pixels and windows of the instruction, and what they read.
struct FunctionalModel::Walk {
  struct Place {
    int64_t word, y, x;
  };
  std::vector<Place> pixels;                            // of the first tap
  std::vector<Place> steps;                             // relative to it
  std::vector<int64_t> offsets;                         // of the steps in `codes`
  int64_t near = 0, far = 0;                            // words of the steps that lie lowest and highest
  int64_t begin = 0, end = 0;                           // words that `codes` holds
  const uint8_t* codes = nullptr;                       // [word - begin][16]
  std::array<std::array<uint8_t, kChannels>, 2> pad{};  // of each plane
  std::array<bool, 2> is_read{};                        // planes
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
  const std::array<int64_t, 8> rows = PassRows(f);
  for (size_t i = 0; i < static_cast<size_t>(f.passes); ++i) {
    if (rows[i] + steps > f.weight_rows) return "a pass ends beyond the tile";
  }
  return "";
}

std::array<int64_t, 8> FunctionalModel::PassRows(const ConvFields& f) {
  if (!f.stream) {
    return {f.pass0_row, f.pass1_row, f.pass2_row, f.pass3_row, f.pass4_row, f.pass5_row, f.pass6_row, f.pass7_row};
  }
  std::array<int64_t, 8> rows{};
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<int64_t>(i) * f.kernel_h * f.kernel_w * f.channel_groups;
  return rows;
}

FunctionalModel::Lanes FunctionalModel::Unpack(const ConvFields& f, const Tile& tile) {
  const auto lanes = static_cast<size_t>(configuration_.lanes()), rows = static_cast<size_t>(f.weight_rows);
  const uint64_t* params = tile.beats.data();
  const size_t param_beats = static_cast<size_t>(tile.param_rows) * lanes;
  static const std::vector<Quarter> of_twos_complement = QuartersOf(DecodeTwosComplement);
  static const std::vector<Quarter> of_sp2 = QuartersOf(DecodeSp2);
  const auto steps = static_cast<size_t>(f.kernel_h * f.kernel_w * f.channel_groups);
  std::array<const Quarter*, kMaxLanes> values{};
  Lanes result{};
  const size_t all = result.lanes = (lanes + kLaneBlock - 1) / kLaneBlock * kLaneBlock;
  weights_.resize(std::max(weights_.size(), rows * kChannels * all));
  result.weights = weights_.data();
  result.excess.resize(static_cast<size_t>(f.passes) * all);
  result.c.resize(all);
  for (auto* constants : {&result.m, &result.n, &result.s, &result.t, &result.m_below}) constants->resize(all);
  for (auto* constants : {&result.b, &result.b_below}) constants->resize(all);
  for (size_t lane = 0; lane < lanes; ++lane) {
    const bool is_dsp = configuration_.is_dsp(static_cast<int64_t>(lane));
    result.m[lane] = static_cast<int32_t>(Bits(params[lane], 0, 17));
    result.s[lane] = static_cast<int32_t>(Bits(params[lane], 17, 6));
    result.c[lane] = static_cast<uint32_t>(SignedBits(params[lane], 23, 24));
    result.n[lane] = static_cast<int32_t>(Bits(params[lane], 47, 17));
    result.b[lane] = SignedBits(params[lanes + lane], 0, 47);
    if (f.leaky) {
      result.t[lane] = static_cast<int32_t>(SignedBits(params[2 * lanes + lane], 0, 24));
      result.m_below[lane] = static_cast<int32_t>(Bits(params[2 * lanes + lane], 24, 17));
      result.b_below[lane] = SignedBits(params[3 * lanes + lane], 0, 47);
    }
    values[lane] = is_dsp && Bits(params[lanes + lane], 47, 1) == 0 ? of_twos_complement.data() : of_sp2.data();
    for (size_t pass = 0; pass < static_cast<size_t>(f.passes); ++pass) {
      const auto row = static_cast<size_t>(PassRows(f)[pass]);
      uint32_t negative = 0;
      for (size_t step = 0; !is_dsp && step < steps; ++step) {
        negative += CountNegative(tile.beats[param_beats + (row + step) * lanes + lane]);
      }
      result.excess[pass * all + lane] = is_dsp ? 2048 * static_cast<uint32_t>(steps) : 123 * negative;
    }
  }
  const uint64_t* beat = tile.beats.data() + param_beats;
  int8_t* to = weights_.data();
  for (size_t row = 0; row < rows; ++row, to += kChannels * all) {
    for (size_t lane = 0; lane < lanes; ++lane, ++beat) {
      for (size_t four = 0; four < 4; ++four) {
        std::memcpy(to + 4 * (four * all + lane), values[lane] + (*beat >> (16 * four) & 0xffff), sizeof(Quarter));
      }
    }
  }
  return result;
}

FunctionalModel::Walk FunctionalModel::MakeWalk(const ConvFields& f) {
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
        walk.offsets.push_back(offset * static_cast<int64_t>(kChannels));
        const bool tap_ends = g + 1 == f.channel_groups;
        offset += Word(!tap_ends ? f.in_group : kx + 1 < f.kernel_w ? f.in_tap : f.in_tap_row);
      }
    }
  }
  for (int64_t pass = 0; pass < f.passes; ++pass) walk.is_read[static_cast<size_t>(f.pass_plane >> pass & 1)] = true;
  walk.pad[0].fill(static_cast<uint8_t>(f.pad_low));
  walk.pad[1].fill(static_cast<uint8_t>(f.pad_high));
  Expand(f, &walk);
  return walk;
}

// All words that may be read, a code a byte.
void FunctionalModel::Expand(const ConvFields& f, Walk* walk) {
  const auto by_word = [](const Walk::Place& a, const Walk::Place& b) { return a.word < b.word; };
  const auto [first, last] = std::minmax_element(walk->pixels.begin(), walk->pixels.end(), by_word);
  const auto [near, far] = std::minmax_element(walk->steps.begin(), walk->steps.end(), by_word);
  walk->near = near->word, walk->far = far->word;
  const int64_t tiles = (f.tiles - 1) * Word(f.in_tile), plane = walk->is_read[1] ? Word(f.in_plane) : 0;
  const int64_t begin = first->word + walk->near + std::min<int64_t>(tiles, 0) + std::min<int64_t>(plane, 0);
  const int64_t end = last->word + walk->far + std::max<int64_t>(tiles, 0) + std::max<int64_t>(plane, 0) + 1;
  walk->begin = std::clamp<int64_t>(begin, 0, std::ssize(words_));
  walk->end = std::clamp<int64_t>(end, walk->begin, std::ssize(words_));
  codes_.resize(std::max(codes_.size(), static_cast<size_t>(walk->end - walk->begin) * kChannels));
  walk->codes = codes_.data();
  ExpandNibbles(reinterpret_cast<const uint8_t*>(words_.data() + walk->begin),
                sizeof(uint64_t) * static_cast<size_t>(walk->end - walk->begin), codes_.data());
}

void FunctionalModel::Execute(const ConvFields& f) {
  if (const std::string_view what = Contradiction(f); !what.empty()) {
    return Fail(ErrorCode::kIllegalInstruction, std::string(what));
  }
  if (!f.stream && f.weight_rows > configuration_.wdepth) {
    return Fail(ErrorCode::kWatchdog,
                "the weight buffer cannot hold a tile of " + std::to_string(f.weight_rows) + " rows");
  }
  const Walk walk = MakeWalk(f);
  for (int64_t t = 0; t < f.tiles && ok(); ++t) {
    const Tile tile = std::move(tiles_.front());
    tiles_.pop_front();
    if (tile.weight_rows != f.weight_rows || tile.param_rows != (f.leaky ? 4 : 2)) {
      return Fail(ErrorCode::kIllegalInstruction, "the next tile of the weight buffer has another size");
    }
    const Lanes lanes = Unpack(f, tile);
    for (int64_t pixel = 0; pixel < f.pixels && ok(); pixel += int64_t{kKernelPixels}) {
      ComputePixels(f, lanes, walk, t, pixel);
    }
  }
}

// The words that a pixel's window reads, of each plane, step by step.
void FunctionalModel::Gather(const ConvFields& f, const Walk& walk, int64_t tile, int64_t pixel, size_t plane,
                             const uint8_t** words) {
  const Walk::Place& first = walk.pixels[static_cast<size_t>(pixel)];
  const int64_t base = first.word + tile * Word(f.in_tile) + (plane == 1 ? Word(f.in_plane) : 0);
  const Walk::Place& last = walk.steps.back();
  const bool is_inside = first.y >= 0 && first.y + last.y < f.in_height && first.x >= 0 &&
                         first.x + last.x < f.in_width && base + walk.near >= walk.begin && base + walk.far < walk.end;
  if (is_inside) {
    const uint8_t* at = walk.codes + static_cast<size_t>(base - walk.begin) * kChannels;
    for (const int64_t offset : walk.offsets) *words++ = at + offset;
    return;
  }
  for (const Walk::Place& step : walk.steps) {
    const int64_t y = first.y + step.y, x = first.x + step.x, word = base + step.word;
    const bool inside = y >= 0 && y < f.in_height && x >= 0 && x < f.in_width;
    const bool is_there = word >= walk.begin && word < walk.end;
    if (inside && !is_there) Fail(ErrorCode::kActRange, "reads word " + std::to_string(word));
    *words++ =
        inside && is_there ? walk.codes + static_cast<size_t>(word - walk.begin) * kChannels : walk.pad[plane].data();
  }
}

void FunctionalModel::ComputePixels(const ConvFields& f, const Lanes& lanes, const Walk& walk, int64_t tile,
                                    int64_t pixel) {
  static const ConvKernels& kernels = FastestConvKernels();
  const size_t steps = walk.steps.size(), all = lanes.lanes;
  const auto pixels = static_cast<size_t>(std::min<int64_t>(kKernelPixels, f.pixels - pixel));
  for (size_t plane = 0; plane < 2; ++plane) {
    if (!walk.is_read[plane]) continue;
    gathered_[plane].resize(kKernelPixels * steps);
    for (size_t p = 0; p < pixels; ++p) {
      Gather(f, walk, tile, pixel + static_cast<int64_t>(p), plane, gathered_[plane].data() + p * steps);
    }
  }
  if (!ok()) return;
  std::array<int32_t, kKernelPixels * kMaxLanes> acc;
  std::array<uint32_t, kKernelPixels * kMaxLanes> sums;
  const std::array<int64_t, 8> rows = PassRows(f);
  for (size_t pass = 0; pass < static_cast<size_t>(f.passes); ++pass) {
    const auto row = static_cast<size_t>(rows[pass]);
    kernels.accumulate({gathered_[f.pass_plane >> pass & 1].data(), pixels, steps,
                        lanes.weights + row * kChannels * all, all, acc.data()});
    const int shift = (f.pass_shift >> pass & 1) != 0 ? 4 : 0;
    const uint32_t* excess = lanes.excess.data() + pass * all;
    for (size_t p = 0; p < pixels; ++p) {
      uint32_t* sum = sums.data() + p * all;
      const int32_t* more = acc.data() + p * all;
      if (pass == 0) {
        for (size_t lane = 0; lane < all; ++lane) sum[lane] = static_cast<uint32_t>(more[lane]) + excess[lane];
      } else {
        for (size_t lane = 0; lane < all; ++lane)
          sum[lane] = (sum[lane] << shift) + static_cast<uint32_t>(more[lane]) + excess[lane];
      }
    }
  }
  for (size_t p = 0; p < pixels; ++p) {
    for (size_t lane = 0; lane < all; ++lane) acc[lane] = Wrap24(sums[p * all + lane] + lanes.c[lane]);
    WritePixel(f, lanes, {tile, pixel + static_cast<int64_t>(p)}, acc.data());
  }
}

void FunctionalModel::WritePixel(const ConvFields& f, const Lanes& lanes, const Output& at, const int32_t* acc) {
  static const ConvKernels& kernels = FastestConvKernels();
  const bool is_last = at.tile + 1 == f.tiles;
  const int64_t written = is_last ? f.last_groups * configuration_.q : configuration_.lanes();
  const int64_t first_slot = (f.out_half ? 8 : 0) + at.tile * configuration_.lanes();
  int64_t out = Word(f.out) + at.pixel * Word(f.out_pixel);
  if (configuration_.q != 8) {
    // Between tiles there is a step of its own instead of one from the tile's last Q channels to the next ones.
    out += at.tile * (Word(f.out_tile) - configuration_.q / 16 * Word(f.out_group));
  }
  std::array<uint8_t, kMaxLanes> codes, skip;
  if (!f.raw) {
    for (int64_t lane = 0; f.skip && lane < written; lane += 8) {
      ReadResidual(f, first_slot + lane, at.pixel, skip.data() + lane);
    }
    kernels.requantize({acc,
                        f.skip ? skip.data() : nullptr,
                        {lanes.m.data(), lanes.n.data(), lanes.s.data(), lanes.t.data(), lanes.m_below.data(),
                         lanes.b.data(), lanes.b_below.data()},
                        f.leaky,
                        f.out8 ? 255 : 15,
                        lanes.lanes,
                        codes.data()});
  }
  for (int64_t lane = 0; lane < written && ok(); lane += 8) {
    const int64_t slot = first_slot + lane;
    const int64_t word = out + slot / 16 * Word(f.out_group);
    if (f.raw) {
      for (int64_t i = 0; i < 8; ++i) {
        const auto l = static_cast<size_t>(lane + i);
        const auto value = static_cast<uint32_t>(int64_t{acc[l]} * lanes.m[l] + lanes.b[l]);
        WriteHalf(word + (slot % 16 + i) / 2, i % 2, value);
      }
      continue;
    }
    const bool is_whole = slot % 16 == 0 && lane + 16 <= written;
    for (int plane = 0; plane < (f.out8 ? 2 : 1); ++plane) {
      const int64_t at_word = plane == 0 ? word : word + Word(f.out_plane);
      const uint32_t half = PackNibbles(codes.data() + lane, 4 * plane);
      if (is_whole) {
        WriteWord(at_word, uint64_t{PackNibbles(codes.data() + lane + 8, 4 * plane)} << 32 | half);
      } else {
        WriteHalf(at_word, slot / 8 % 2, half);
      }
    }
    if (is_whole) lane += 8;
  }
}

// Eight codes from slot `slot` on.
void FunctionalModel::ReadResidual(const ConvFields& f, int64_t slot, int64_t pixel, uint8_t* codes) {
  const int64_t word = Word(f.skip_in) + slot / 16 * Word(f.skip_group) + pixel;
  const auto half = [&](int64_t at) { return static_cast<uint32_t>(ReadWord(at) >> (slot / 8 % 2 * 32)); };
  const uint32_t low = half(word), high = f.skip8 ? half(word + Word(f.skip_plane)) : 0;
  for (int i = 0; i < 8; ++i) codes[i] = static_cast<uint8_t>((low >> (4 * i) & 15) | (high >> (4 * i) & 15) << 4);
}

void FunctionalModel::WriteHalf(int64_t word, int64_t half, uint32_t value) {
  const uint64_t mask = uint64_t{0xffffffff} << (32 * half);
  WriteWord(word, (ReadWord(word) & ~mask) | uint64_t{value} << (32 * half));
}

}  // namespace msq::hw

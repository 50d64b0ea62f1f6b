// The CONV instruction of the functional model: its tiles' pixels, some at a time, through the kernels.
#include <algorithm>
#include <array>
#include <utility>

#include "hw/sim/conv_kernels.h"
#include "hw/sim/functional_model.h"
#include "hw/sim/nibbles.h"

namespace msq::hw {
namespace {

// Accumulators are modulo 2^24.
int32_t Wrap24(uint32_t sum) {
  return static_cast<int32_t>(sum << 8) >> 8;
}

const ConvKernels& Kernels() {
  static const ConvKernels& kernels = FastestConvKernels();
  return kernels;
}

}  // namespace

std::string_view FunctionalModel::Contradiction(const ConvFields& f) const {
  const int64_t steps = StepsOf(f);
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

void FunctionalModel::Execute(const ConvFields& f) {
  if (const std::string_view what = Contradiction(f); !what.empty()) {
    return Fail(ErrorCode::kIllegalInstruction, std::string(what));
  }
  if (!f.stream && f.weight_rows > configuration_.wdepth) {
    return Fail(ErrorCode::kWatchdog,
                "the weight buffer cannot hold a tile of " + std::to_string(f.weight_rows) + " rows");
  }
  const std::vector<ConvPass> passes = PassesOf(f);
  windows_.Begin(configuration_, f, words_, passes);
  for (int64_t t = 0; t < f.tiles && ok(); ++t) {
    WeightTile tile = std::move(tiles_.front());
    tiles_.pop_front();
    if (tile.weight_rows != f.weight_rows || tile.param_rows != (f.leaky ? 4 : 2)) {
      return Fail(ErrorCode::kIllegalInstruction, "the next tile of the weight buffer has another size");
    }
    lanes_.Unpack(configuration_, f, passes, tile);
    spare_beats_.push_back(std::move(tile.beats));
    for (int64_t pixel = 0; pixel < f.pixels && ok(); pixel += int64_t{kKernelPixels}) {
      ComputePixels(f, passes, {t, pixel, static_cast<size_t>(std::min<int64_t>(kKernelPixels, f.pixels - pixel))});
    }
  }
}

void FunctionalModel::ComputePixels(const ConvFields& f, std::span<const ConvPass> passes, const Pixels& at) {
  const auto accumulate = lanes_.is_diagonal() ? Kernels().accumulate_diagonal : Kernels().accumulate;
  const auto steps = static_cast<size_t>(StepsOf(f));
  std::array<int32_t, kKernelPixels * kMaxLanes> acc;
  for (size_t pass = 0; pass < passes.size(); ++pass) {
    const uint8_t* windows = windows_.Get(passes[pass].source, at.tile, at.pixel, at.count);
    accumulate({windows, windows_.stride(), at.count, steps, lanes_.weights(pass), lanes_.lanes(), pass == 0,
                passes[pass].shift, acc.data()});
  }
  if (windows_.outside()) return FailAtWord("reads", *windows_.outside());
  f.raw ? WriteSums(f, at, acc.data()) : WriteCodes(f, at, acc.data());
}

int64_t FunctionalModel::OutputOf(const ConvFields& f, int64_t tile, int64_t pixel) const {
  int64_t out = Word(f.out) + pixel * Word(f.out_pixel);
  if (configuration_.q != 8) {
    // Between tiles there is a step of its own instead of one from the tile's last Q channels to the next ones.
    out += tile * (Word(f.out_tile) - configuration_.q / 16 * Word(f.out_group));
  }
  return out;
}

void FunctionalModel::WriteSums(const ConvFields& f, const Pixels& at, const int32_t* acc) {
  const LaneConstants k = lanes_.constants();
  const int64_t first_slot = FirstSlot(f, at.tile);
  for (size_t p = 0; p < at.count; ++p, acc += lanes_.lanes()) {
    const int64_t out = OutputOf(f, at.tile, at.pixel + static_cast<int64_t>(p));
    for (int64_t lane = 0; lane < Written(f, at.tile) && ok(); ++lane) {
      const auto l = static_cast<size_t>(lane);
      const int64_t slot = first_slot + lane;
      const int64_t sum = Wrap24(static_cast<uint32_t>(acc[l]) + static_cast<uint32_t>(k.c[l]));
      WriteHalf(out + slot / 16 * Word(f.out_group) + slot % 16 / 2, slot % 2, static_cast<uint32_t>(sum * k.m[l] + k.b[l]));
    }
  }
}

void FunctionalModel::WriteCodes(const ConvFields& f, const Pixels& at, const int32_t* acc) {
  const size_t all = lanes_.lanes(), blocks = all / kLaneBlock;
  std::array<uint8_t, kKernelPixels * kMaxLanes> skip;
  if (f.skip) ReadResidual(f, at, skip.data());
  std::array<uint64_t, kKernelPixels * kMaxLanes / kLaneBlock> low, high;
  Kernels().requantize({acc, f.skip ? skip.data() : nullptr, at.count, all, lanes_.constants(), f.leaky, low.data(),
                        f.out8 ? high.data() : nullptr});
  const int64_t first_slot = FirstSlot(f, at.tile), written = Written(f, at.tile);
  const int64_t first = OutputOf(f, at.tile, at.pixel), out_pixel = Word(f.out_pixel), out_group = Word(f.out_group);
  for (int plane = 0; plane < (f.out8 ? 2 : 1); ++plane) {
    const uint64_t* from = plane == 0 ? low.data() : high.data();
    int64_t out = first + (plane == 0 ? 0 : Word(f.out_plane));
    for (size_t p = 0; p < at.count; ++p, out += out_pixel, from += blocks) {
      for (int64_t lane = 0; lane < written && ok(); lane += 8) {
        const int64_t slot = first_slot + lane, word = out + slot / 16 * out_group;
        const uint64_t value = from[lane / 16];
        if (slot % 16 == 0 && lane % 16 == 0 && lane + 16 <= written) {
          WriteWord(word, value);
          lane += 8;
        } else {
          WriteHalf(word, slot / 8 % 2, static_cast<uint32_t>(value >> (lane / 8 % 2 * 32)));
        }
      }
    }
  }
}

// The codes that are added to those of the tile's lanes that are written.
void FunctionalModel::ReadResidual(const ConvFields& f, const Pixels& at, uint8_t* codes) {
  const int64_t first_slot = FirstSlot(f, at.tile), written = Written(f, at.tile);
  const int64_t skip_group = Word(f.skip_group), skip_plane = Word(f.skip_plane);
  int64_t first = Word(f.skip_in) + at.pixel;
  for (size_t p = 0; p < at.count; ++p, ++first, codes += lanes_.lanes()) {
    for (int64_t lane = 0; lane < written; lane += 8) {
      const int64_t slot = first_slot + lane, word = first + slot / 16 * skip_group;
      const auto half = [&](int64_t from) { return static_cast<uint32_t>(ReadWord(from) >> (slot / 8 % 2 * 32)); };
      SpreadNibbles(half(word), codes + lane);
      if (!f.skip8) continue;
      std::array<uint8_t, 8> high;
      SpreadNibbles(half(word + skip_plane), high.data());
      for (size_t i = 0; i < high.size(); ++i) codes[lane + static_cast<int64_t>(i)] |= static_cast<uint8_t>(high[i] << 4);
    }
  }
}

void FunctionalModel::WriteHalf(int64_t word, int64_t half, uint32_t value) {
  const uint64_t mask = uint64_t{0xffffffff} << (32 * half);
  WriteWord(word, (ReadWord(word) & ~mask) | uint64_t{value} << (32 * half));
}

}  // namespace msq::hw

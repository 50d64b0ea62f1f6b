// The CONV instruction of the functional model: its tiles' pixels, some at a time, through the kernels.
#include <algorithm>
#include <array>
#include <utility>

#include "hw/sim/conv_kernels.h"
#include "hw/sim/conv_outputs.h"
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
  CheckUses(f, tiles_);
  if (!ok()) return;
  const std::vector<ConvPass> passes = PassesOf(f);
  windows_.Begin(configuration_, f, words_, passes);
  for (int64_t t = 0; t < f.tiles && ok(); ++t) {
    WeightTile tile = std::move(tiles_.front());
    tiles_.pop_front();
    if (tile.weight_rows != f.weight_rows || tile.param_rows != (f.leaky ? 4 : 2)) {
      return Fail(ErrorCode::kIllegalInstruction, "the next tile of the weight buffer has another size");
    }
    lanes_.Unpack(configuration_, f, passes, tile, static_cast<size_t>(WrittenLanes(configuration_, f, t)));
    spare_beats_.push_back(std::move(tile.beats));
    CheckShifts(f, t);
    for (int64_t pixel = 0; pixel < f.pixels && ok(); pixel += int64_t{kManyPixels}) {
      ComputePixels(f, passes, {t, pixel, static_cast<size_t>(std::min<int64_t>(kManyPixels, f.pixels - pixel))});
    }
  }
}

// The hardware's shifter ends at 47.
void FunctionalModel::CheckShifts(const ConvFields& f, int64_t tile) {
  if (!undefined_uses_ || f.raw) return;
  const std::span shifts(lanes_.constants().s, static_cast<size_t>(WrittenLanes(configuration_, f, tile)));
  const auto largest = std::max_element(shifts.begin(), shifts.end());
  if (*largest < 48) return;
  Fail(ErrorCode::kIllegalInstruction,
       "S of lane " + std::to_string(largest - shifts.begin()) + " is " + std::to_string(*largest));
}

void FunctionalModel::ComputePixels(const ConvFields& f, std::span<const ConvPass> passes, const Pixels& at) {
  const auto accumulate = lanes_.is_diagonal() ? Kernels().accumulate_diagonal : Kernels().accumulate;
  const auto steps = static_cast<size_t>(StepsOf(f));
  std::array<int32_t, kManyPixels * kMaxLanes> acc;
  for (size_t p = 0; p < at.count; p += kKernelPixels) {
    const size_t count = std::min(kKernelPixels, at.count - p);
    for (size_t pass = 0; pass < passes.size(); ++pass) {
      const auto [first, stride, offsets] =
          windows_.Get(passes[pass].source, at.tile, at.pixel + static_cast<int64_t>(p), count);
      accumulate({first, stride, offsets, count, steps, lanes_.weights(pass), lanes_.lanes(), pass == 0,
                  passes[pass].shift, acc.data() + p * lanes_.lanes()});
    }
  }
  if (windows_.outside()) return FailAtWord("reads", *windows_.outside());
  f.raw ? WriteSums(f, at, acc.data()) : WriteCodes(f, at, acc.data());
}

void FunctionalModel::WriteSums(const ConvFields& f, const Pixels& at, const int32_t* acc) {
  const LaneConstants k = lanes_.constants();
  const int64_t first_slot = FirstSlot(configuration_, f, at.tile);
  for (size_t p = 0; p < at.count; ++p, acc += lanes_.lanes()) {
    const int64_t out = OutputOf(configuration_, f, at.tile, at.pixel + static_cast<int64_t>(p));
    for (int64_t lane = 0; lane < WrittenLanes(configuration_, f, at.tile) && ok(); ++lane) {
      const auto l = static_cast<size_t>(lane);
      const int64_t slot = first_slot + lane;
      const int64_t sum = Wrap24(static_cast<uint32_t>(acc[l]) + static_cast<uint32_t>(k.c[l]));
      WriteHalf(out + slot / 16 * Word(f.out_group) + slot % 16 / 2, slot % 2,
                static_cast<uint32_t>(sum * k.m[l] + k.b[l]));
    }
  }
}

void FunctionalModel::WriteCodes(const ConvFields& f, const Pixels& at, const int32_t* acc) {
  std::array<PlaneOfPixels, 2> skip, codes;
  for (size_t plane = 0; f.skip && plane < (f.skip8 ? 2 : 1); ++plane) {
    const int64_t first = Word(f.skip_in) + at.pixel + (plane == 0 ? 0 : Word(f.skip_plane));
    ReadBlocks(f, at, {first, 1, Word(f.skip_group)}, &skip[plane]);
  }
  Kernels().requantize({acc,
                        {f.skip ? skip[0].data() : nullptr, f.skip8 ? skip[1].data() : nullptr},
                        at.count,
                        lanes_.lanes(),
                        lanes_.constants(),
                        f.leaky,
                        {codes[0].data(), f.out8 ? codes[1].data() : nullptr}});
  for (size_t plane = 0; plane < (f.out8 ? 2 : 1); ++plane) {
    const int64_t first = OutputOf(configuration_, f, at.tile, at.pixel) + (plane == 0 ? 0 : Word(f.out_plane));
    WriteBlocks(f, at, {first, Word(f.out_pixel), Word(f.out_group)}, codes[plane]);
  }
}

// The words of the tile's lanes that are written, which may begin in the middle of one.
void FunctionalModel::ReadBlocks(const ConvFields& f, const Pixels& at, const Words& words, PlaneOfPixels* to) {
  const int64_t first_half = FirstSlot(configuration_, f, at.tile) / 8,
                halves = WrittenLanes(configuration_, f, at.tile) / 8;
  for (int64_t half = 0; half < halves; half += 2) {
    const int64_t from = first_half + half;
    uint64_t* each = to->data() + static_cast<size_t>(half) / 2 * at.count;
    int64_t word = words.first + from / 2 * words.group;
    for (size_t p = 0; p < at.count; ++p, word += words.pixel) {
      if (from % 2 == 0) {
        each[p] = ReadWord(word);
      } else {
        const uint64_t next = half + 1 < halves ? ReadWord(word + words.group) : 0;
        each[p] = ReadWord(word) >> 32 | next << 32;
      }
    }
  }
}

void FunctionalModel::WriteBlocks(const ConvFields& f, const Pixels& at, const Words& words,
                                  const PlaneOfPixels& from) {
  const int64_t first_half = FirstSlot(configuration_, f, at.tile) / 8,
                halves = WrittenLanes(configuration_, f, at.tile) / 8;
  for (int64_t half = 0; half < halves; half += 2) {
    const int64_t to = first_half + half;
    const uint64_t* each = from.data() + static_cast<size_t>(half) / 2 * at.count;
    int64_t word = words.first + to / 2 * words.group;
    for (size_t p = 0; p < at.count; ++p, word += words.pixel) {
      if (to % 2 == 0 && half + 1 < halves) {
        WriteWord(word, each[p]);
        continue;
      }
      WriteHalf(word, to % 2, static_cast<uint32_t>(each[p]));
      if (half + 1 < halves) WriteHalf(word + words.group, 0, static_cast<uint32_t>(each[p] >> 32));
    }
  }
}

void FunctionalModel::WriteHalf(int64_t word, int64_t half, uint32_t value) {
  if (!Has(word)) return FailAtWord("writes", word);
  const uint64_t mask = uint64_t{0xffffffff} << (32 * half);
  WriteWord(word, (ReadWord(word) & ~mask) | uint64_t{value} << (32 * half));
}

}  // namespace msq::hw

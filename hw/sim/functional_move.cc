// The instructions of the functional model that move words or take the largest of them: LOAD, STORE and VEC.
#include <array>
#include <bit>
#include <cstring>

#include "hw/sim/functional_model.h"

namespace msq::hw {
namespace {

// The 16 codes of a word or, with the high four bits of each, of two; those in even places first. GCC and Clang keep them
// in a register.
using Codes [[gnu::vector_size(16)]] = uint8_t;
using Halves [[gnu::vector_size(16)]] = uint64_t;

constexpr uint64_t kEven = 0x0f0f0f0f0f0f0f0fu;

Codes CodesOf(uint64_t low, uint64_t high) {
  const Halves halves = {(low & kEven) | (high & kEven) << 4, (low >> 4 & kEven) | (high & ~kEven)};
  return std::bit_cast<Codes>(halves);
}

// The low and the high word.
std::array<uint64_t, 2> WordsOf(Codes codes) {
  const auto halves = std::bit_cast<Halves>(codes);
  const uint64_t even = halves[0], odd = halves[1];
  return {(even & kEven) | (odd & kEven) << 4, (even >> 4 & kEven) | (odd & ~kEven)};
}

}  // namespace

void FunctionalModel::Execute(const LoadFields& f) {
  CheckUses(f);
  if (!ok()) return;
  MoveRows(f, [](std::byte* dram, uint64_t* words, size_t bytes) { std::memcpy(words, dram, bytes); });
}

void FunctionalModel::Execute(const StoreFields& f) {
  MoveRows(f, [](std::byte* dram, uint64_t* words, size_t bytes) { std::memcpy(dram, words, bytes); });
}

// Whole rows at once where their words stand beside each other.
template <typename Fields, typename Move>
void FunctionalModel::MoveRows(const Fields& f, const Move& move) {
  if (f.rows < 1 || f.row_words < 1) return Fail(ErrorCode::kIllegalInstruction, "rows or row_words");
  if (f.dram % 8 != 0 || f.dram_row_stride % 8 != 0) return Fail(ErrorCode::kIllegalInstruction, "dram is not aligned");
  const int64_t step = Word(f.act_step), row_step = Word(f.act_row_step);
  int64_t word = Word(f.act);
  for (int64_t row = 0; row < f.rows; ++row) {
    const auto address = static_cast<uint64_t>(f.dram + row * f.dram_row_stride);
    if (!DramHas(address, 8 * static_cast<uint64_t>(f.row_words))) return;
    std::byte* dram = dram_.bytes.data() + (address - dram_.base);
    const bool is_whole = step == 1 && Has(word) && Has(word + f.row_words - 1);
    const int64_t words = is_whole ? f.row_words : 1;
    for (int64_t i = 0; i < f.row_words; i += words, word += step) {
      if (!Has(word)) return FailAtWord(Fields::kOpcode == Opcode::kLoad ? "writes" : "reads", word);
      move(dram + 8 * i, &words_[static_cast<size_t>(word)], 8 * static_cast<size_t>(words));
      word += words - 1;
    }
    word += row_step - step;
  }
}

void FunctionalModel::Execute(const VecFields& f) {
  if (f.groups < 1 || f.out_height < 1 || f.out_width < 1 || f.kernel_h < 1 || f.kernel_w < 1) {
    return Fail(ErrorCode::kIllegalInstruction, "a size is 0");
  }
  CheckUses(f);
  if (!ok()) return;
  const int64_t in_tap = Word(f.in_tap), in_tap_row = Word(f.in_tap_row), in_plane = Word(f.in_plane);
  const int64_t out_plane = Word(f.out_plane);
  int64_t in = Word(f.in), out = Word(f.out);
  // The largest of each of the 16 codes over the window whose first tap is word `tap` at y, x.
  const auto maximum = [&](int64_t tap, int64_t y, int64_t x) {
    Codes best{};
    for (int64_t ky = 0; ky < f.kernel_h; ++ky) {
      for (int64_t kx = 0; kx < f.kernel_w; ++kx) {
        const bool inside = y + ky >= 0 && y + ky < f.in_height && x + kx >= 0 && x + kx < f.in_width;
        if (inside) {
          const Codes codes = CodesOf(ReadWord(tap), f.wide ? ReadWord(tap + in_plane) : 0);
          best = codes > best ? codes : best;
        }
        tap += kx + 1 < f.kernel_w ? in_tap : in_tap_row;
      }
    }
    return best;
  };
  for (int64_t group = 0; group < f.groups; ++group) {
    for (int64_t oy = 0; oy < f.out_height; ++oy) {
      for (int64_t ox = 0; ox < f.out_width && ok(); ++ox) {
        const auto [low, high] = WordsOf(maximum(in, f.first_y + oy * f.stride_y, f.first_x + ox * f.stride_x));
        WriteWord(out, low);
        if (f.wide) WriteWord(out + out_plane, high);
        const bool row_ends = ox + 1 == f.out_width, group_ends = row_ends && oy + 1 == f.out_height;
        in += Word(group_ends ? f.in_group : row_ends ? f.in_row : f.in_pixel);
        out += Word(group_ends ? f.out_group : row_ends ? f.out_row : f.out_pixel);
      }
    }
  }
}

}  // namespace msq::hw

#include "hw/sim/conv_lanes.h"

#include <algorithm>
#include <array>

#include "hw/sim/negative_counts.h"
#include "hw/sim/weight_codes.h"

namespace msq::hw {
namespace {

// `width` bits of `word` from `lsb` on.
int64_t Bits(uint64_t word, int lsb, int width) {
  return static_cast<int64_t>(word >> lsb & ((uint64_t{1} << width) - 1));
}
int64_t SignedBits(uint64_t word, int lsb, int width) {
  const int64_t value = Bits(word, lsb, width);
  return value >> (width - 1) != 0 ? value - (int64_t{1} << width) : value;
}

using Counts = std::array<uint32_t, kMaxLanes>;

const ConvKernels& Kernels() {
  static const ConvKernels& kernels = FastestConvKernels();
  return kernels;
}

// Adds to each lane how many of its weights have the sign bit, where a row has a beat for 16 lanes.
void CountNegativeOnDiagonal(const uint64_t* beats, size_t rows, size_t row_beats, size_t lanes, Counts* counts) {
  for (size_t block = 0; block < lanes / kChannels; ++block) {
    for (size_t first = 0; first < rows; first += kNibbleRows) {
      uint64_t nibbles = 0;
      for (size_t row = first; row < std::min(rows, first + kNibbleRows); ++row) {
        nibbles += beats[row * row_beats + block] >> 3 & kNibbleOnes;
      }
      for (size_t i = 0; i < kChannels; ++i) {
        (*counts)[block * kChannels + i] += static_cast<uint32_t>(nibbles >> (4 * i) & 15);
      }
    }
  }
}

}  // namespace

LaneConstants ConvLanes::constants() const {
  return {c_.data(), m_.data(), n_.data(), s_.data(), t_.data(), m_below_.data(), b_.data(), b_below_.data()};
}

void ConvLanes::Unpack(const Configuration& configuration, const ConvFields& f, std::span<const ConvPass> passes,
                       const WeightTile& tile, size_t lanes) {
  tile_lanes_ = static_cast<size_t>(configuration.lanes());
  lanes_ = lanes;
  is_diagonal_ = tile.is_diagonal;
  TakeParameters(configuration, f, tile);
  const auto beats = std::span(tile.beats).subspan(static_cast<size_t>(tile.param_rows) * tile_lanes_);
  AddExcess(configuration, f, beats);
  if (is_diagonal_) return UnpackDiagonal(f, passes, beats);
  const auto rows = static_cast<size_t>(tile.weight_rows);
  weights_.resize(std::max(weights_.size(), rows * kChannels * this->lanes()));
  first_of_pass_.clear();
  for (const ConvPass& pass : passes) {
    first_of_pass_.push_back(static_cast<size_t>(pass.row) * kChannels * this->lanes());
  }
  Kernels().unpack({beats.data(), rows, tile_lanes_, lanes_, sp2_, weights_.data()});
}

void ConvLanes::TakeParameters(const Configuration& configuration, const ConvFields& f, const WeightTile& tile) {
  const uint64_t* rows[4];
  for (size_t row = 0; row < 4; ++row) rows[row] = tile.beats.data() + (f.leaky || row < 2 ? row * tile_lanes_ : 0);
  for (auto* constants : {&c_, &m_, &n_, &s_, &t_, &m_below_}) constants->resize(lanes());
  for (auto* constants : {&b_, &b_below_}) constants->resize(lanes());
  sp2_ = 0;
  for (size_t lane = 0; lane < lanes_; ++lane) {
    m_[lane] = static_cast<int32_t>(Bits(rows[0][lane], 0, 17));
    s_[lane] = static_cast<int32_t>(Bits(rows[0][lane], 17, 6));
    c_[lane] = static_cast<int32_t>(SignedBits(rows[0][lane], 23, 24));
    n_[lane] = static_cast<int32_t>(Bits(rows[0][lane], 47, 17));
    b_[lane] = SignedBits(rows[1][lane], 0, 47);
    if (f.leaky) {
      t_[lane] = static_cast<int32_t>(SignedBits(rows[2][lane], 0, 24));
      m_below_[lane] = static_cast<int32_t>(Bits(rows[2][lane], 24, 17));
      b_below_[lane] = SignedBits(rows[3][lane], 0, 47);
    }
    const bool is_sp2 = !configuration.is_dsp(static_cast<int64_t>(lane)) || Bits(rows[1][lane], 47, 1) != 0;
    sp2_ |= uint64_t{is_sp2} << lane;
  }
}

void ConvLanes::AddExcess(const Configuration& configuration, const ConvFields& f, std::span<const uint64_t> beats) {
  const size_t row_beats = is_diagonal_ ? tile_lanes_ / kChannels : tile_lanes_;
  const auto steps = static_cast<size_t>(StepsOf(f));
  Counts excess{};
  for (int64_t pass = 0; pass < f.passes; ++pass) {
    const auto row = static_cast<size_t>(PassRows(f)[static_cast<size_t>(pass)]);
    Counts negative{};
    const uint64_t* first = beats.data() + row * row_beats;
    if (is_diagonal_) {
      CountNegativeOnDiagonal(first, steps, row_beats, lanes_, &negative);
    } else {
      Kernels().count_negative({first, steps, row_beats, lanes_, negative.data()});
    }
    const int shift = (f.pass_shift >> pass & 1) != 0 ? 4 : 0;
    for (size_t lane = 0; lane < lanes_; ++lane) {
      const bool is_dsp = configuration.is_dsp(static_cast<int64_t>(lane));
      excess[lane] = (excess[lane] << shift) + (is_dsp ? 2048 * static_cast<uint32_t>(steps) : 123 * negative[lane]);
    }
  }
  for (size_t lane = 0; lane < lanes_; ++lane) {
    c_[lane] = static_cast<int32_t>(static_cast<uint32_t>(c_[lane]) + excess[lane]);
  }
}

void ConvLanes::UnpackDiagonal(const ConvFields& f, std::span<const ConvPass> passes, std::span<const uint64_t> beats) {
  const auto steps = static_cast<size_t>(StepsOf(f));
  const size_t of_pass = (steps + 3) / 4 * 4 * lanes_;
  weights_.resize(std::max(weights_.size(), passes.size() * of_pass));
  first_of_pass_.clear();
  for (const ConvPass& pass : passes) {
    int8_t* to = weights_.data() + first_of_pass_.emplace_back(first_of_pass_.size() * of_pass);
    std::fill_n(to, of_pass, int8_t{0});
    for (size_t step = 0; step < steps; ++step) {
      const uint64_t* row = &beats[(static_cast<size_t>(pass.row) + step) * (tile_lanes_ / kChannels)];
      int8_t* each = to + step / 4 * 4 * lanes_ + step % 4;
      for (size_t lane = 0; lane < lanes_; ++lane, each += 4) {
        const WeightCodes& codes = (sp2_ >> lane & 1) != 0 ? kSp2Codes : kTwosComplementCodes;
        *each = codes[row[lane / kChannels] >> (4 * (lane % kChannels)) & 15];
      }
    }
  }
}

}  // namespace msq::hw

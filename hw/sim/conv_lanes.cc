#include "hw/sim/conv_lanes.h"

#include <algorithm>
#include <array>

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

// Adds to each lane how many of its weights have the sign bit. Rows are counted in nibbles as long as they hold.
void CountNegative(const uint64_t* beats, size_t rows, size_t lanes, uint32_t* counts) {
  constexpr uint64_t kOnes = 0x1111111111111111u, kLow = 0x0f0f0f0f0f0f0f0fu;
  for (size_t first = 0; first < rows; first += 15) {
    std::array<uint64_t, kMaxLanes> nibbles{};
    for (size_t row = first; row < std::min(rows, first + 15); ++row) {
      for (size_t lane = 0; lane < lanes; ++lane) nibbles[lane] += beats[row * lanes + lane] >> 3 & kOnes;
    }
    for (size_t lane = 0; lane < lanes; ++lane) {
      const uint64_t bytes = (nibbles[lane] & kLow) + (nibbles[lane] >> 4 & kLow);
      const uint64_t pairs = (bytes & 0x00ff00ff00ff00ffu) + (bytes >> 8 & 0x00ff00ff00ff00ffu);
      counts[lane] += static_cast<uint32_t>(pairs * 0x0001000100010001u >> 48);
    }
  }
}

// The code of a lane in a row that has a beat for 16 lanes.
uint64_t DiagonalCode(std::span<const uint64_t> beats, size_t row, size_t lanes, size_t lane) {
  return beats[row * (lanes / kChannels) + lane / kChannels] >> (4 * (lane % kChannels)) & 15;
}

}  // namespace

LaneConstants ConvLanes::constants() const {
  return {c_.data(), m_.data(), n_.data(), s_.data(), t_.data(), m_below_.data(), b_.data(), b_below_.data()};
}

void ConvLanes::Unpack(const Configuration& configuration, const ConvFields& f, std::span<const ConvPass> passes,
                       const WeightTile& tile) {
  static const ConvKernels& kernels = FastestConvKernels();
  const auto lanes = static_cast<size_t>(configuration.lanes()), rows = static_cast<size_t>(tile.weight_rows);
  lanes_ = LanesOfBlocks(lanes);
  is_diagonal_ = tile.is_diagonal;
  TakeParameters(configuration, f, tile);
  AddExcess(configuration, f, tile);
  const auto beats = std::span(tile.beats).subspan(static_cast<size_t>(tile.param_rows) * lanes);
  if (is_diagonal_) return UnpackDiagonal(f, passes, beats);
  weights_.resize(std::max(weights_.size(), rows * kChannels * lanes_));
  first_of_pass_.clear();
  for (const ConvPass& pass : passes) first_of_pass_.push_back(static_cast<size_t>(pass.row) * kChannels * lanes_);
  kernels.unpack({beats.data(), rows, lanes, sp2_, weights_.data()});
}

void ConvLanes::TakeParameters(const Configuration& configuration, const ConvFields& f, const WeightTile& tile) {
  const auto lanes = static_cast<size_t>(configuration.lanes());
  const uint64_t* params = tile.beats.data();
  for (auto* constants : {&c_, &m_, &n_, &s_, &t_, &m_below_}) constants->resize(lanes_);
  for (auto* constants : {&b_, &b_below_}) constants->resize(lanes_);
  sp2_ = 0;
  for (size_t lane = 0; lane < lanes; ++lane) {
    m_[lane] = static_cast<int32_t>(Bits(params[lane], 0, 17));
    s_[lane] = static_cast<int32_t>(Bits(params[lane], 17, 6));
    c_[lane] = static_cast<int32_t>(SignedBits(params[lane], 23, 24));
    n_[lane] = static_cast<int32_t>(Bits(params[lane], 47, 17));
    b_[lane] = SignedBits(params[lanes + lane], 0, 47);
    if (f.leaky) {
      t_[lane] = static_cast<int32_t>(SignedBits(params[2 * lanes + lane], 0, 24));
      m_below_[lane] = static_cast<int32_t>(Bits(params[2 * lanes + lane], 24, 17));
      b_below_[lane] = SignedBits(params[3 * lanes + lane], 0, 47);
    }
    const bool is_sp2 = !configuration.is_dsp(static_cast<int64_t>(lane)) || Bits(params[lanes + lane], 47, 1) != 0;
    sp2_ |= uint64_t{is_sp2} << lane;
  }
}

void ConvLanes::AddExcess(const Configuration& configuration, const ConvFields& f, const WeightTile& tile) {
  const auto lanes = static_cast<size_t>(configuration.lanes()), steps = static_cast<size_t>(StepsOf(f));
  const auto beats = std::span(tile.beats).subspan(static_cast<size_t>(tile.param_rows) * lanes);
  std::array<uint32_t, kMaxLanes> excess{};
  for (int64_t pass = 0; pass < f.passes; ++pass) {
    const auto row = static_cast<size_t>(PassRows(f)[static_cast<size_t>(pass)]);
    std::array<uint32_t, kMaxLanes> negative{};
    if (!is_diagonal_) CountNegative(beats.data() + row * lanes, steps, lanes, negative.data());
    for (size_t lane = 0; lane < lanes; ++lane) {
      const bool is_dsp = configuration.is_dsp(static_cast<int64_t>(lane));
      for (size_t step = 0; is_diagonal_ && step < steps; ++step) {
        negative[lane] += static_cast<uint32_t>(DiagonalCode(beats, row + step, lanes, lane) >> 3);
      }
      const int shift = (f.pass_shift >> pass & 1) != 0 ? 4 : 0;
      excess[lane] = (excess[lane] << shift) + (is_dsp ? 2048 * static_cast<uint32_t>(steps) : 123 * negative[lane]);
    }
  }
  for (size_t lane = 0; lane < lanes; ++lane) {
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
      for (size_t lane = 0; lane < lanes_; ++lane) {
        const WeightCodes& codes = (sp2_ >> lane & 1) != 0 ? kSp2Codes : kTwosComplementCodes;
        to[(step / 4 * lanes_ + lane) * 4 + step % 4] =
            codes[DiagonalCode(beats, static_cast<size_t>(pass.row) + step, lanes_, lane)];
      }
    }
  }
}

}  // namespace msq::hw

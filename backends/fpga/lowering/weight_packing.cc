#include "backends/fpga/lowering/weight_packing.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace msq::fpga {
namespace {

constexpr int64_t kStreamAlignment = 128;  // a burst: the last one reads to its end

std::span<const int8_t> RowOf(const TapWeights& weights, int64_t row) {
  const int64_t length = weights.row_length();
  return std::span(weights.values).subspan(static_cast<size_t>(row * length), static_cast<size_t>(length));
}

// Each value that occurs, once.
std::vector<int8_t> Distinct(std::span<const int8_t> values) {
  std::array<bool, 256> seen{};
  const auto place = [](int value) {
    const int from_least = value + 128;
    return static_cast<size_t>(from_least);
  };
  for (int8_t value : values) seen[place(value)] = true;
  std::vector<int8_t> distinct;
  for (int value = -128; value < 128; ++value) {
    if (seen[place(value)]) distinct.push_back(static_cast<int8_t>(value));
  }
  return distinct;
}

// Whether all weights are those of lane l for input channel l mod 16.
bool IsDiagonal(const TileBeats& tile, int64_t param_rows) {
  for (int64_t row = param_rows; row < tile.rows(); ++row) {
    for (int64_t lane = 0; lane < tile.lanes(); ++lane) {
      if ((tile.At(row, lane) & ~(uint64_t{15} << (4 * (lane % kWordChannels)))) != 0) return false;
    }
  }
  return true;
}

}  // namespace

WeightCoding ChooseCoding(const TapWeights& weights, std::span<const int64_t> slots,
                          const hw::Configuration& configuration) {
  std::vector<std::vector<int8_t>> values;
  for (int64_t row = 0; row < weights.rows; ++row) values.push_back(Distinct(RowOf(weights, row)));
  WeightCoding coding;
  for (DigitShape shape : kDigitShapes) {
    coding = {shape, {}};
    for (size_t row = 0; row < values.size(); ++row) {
      const bool is_dsp = configuration.is_dsp(slots[row]);
      if (HoldsAll(WeightCode::kSp2, shape, values[row])) {
        coding.codes.push_back(WeightCode::kSp2);
      } else if (is_dsp && HoldsAll(WeightCode::kTwosComplement, shape, values[row])) {
        coding.codes.push_back(WeightCode::kTwosComplement);
      } else {
        break;
      }
    }
    if (coding.codes.size() == values.size()) break;
  }
  return coding;
}

bool NeedsDsp(std::span<const int8_t> row) {
  const std::vector<int8_t> values = Distinct(row);
  return !HoldsAll(WeightCode::kSp2, {0, 1}, values) && HoldsAll(WeightCode::kTwosComplement, {0, 1}, values);
}

std::vector<Pass> PassesOf(DigitShape shape, int input_bits) {
  const auto high = static_cast<size_t>(shape.high), digits = static_cast<size_t>(shape.count());
  std::vector<Pass> passes;
  // Terms of one power of 16 after the other, the highest first; the first term of a power multiplies what is there by 16.
  const auto add = [&passes](size_t first, size_t end, bool high_plane, bool* shift) {
    for (size_t digit = first; digit < end; ++digit) {
      passes.push_back({digit, high_plane, *shift && !passes.empty()});
      *shift = false;
    }
  };
  bool shift = true;
  if (input_bits == 8) {
    add(0, high, true, &shift);
    shift = true;
    add(0, high, false, &shift);
    add(high, digits, true, &shift);
  } else {
    add(0, high, false, &shift);
  }
  shift = true;
  add(high, digits, false, &shift);
  return passes;
}

void PackWeights(const TapWeights& weights, int64_t row, const WeightCoding& coding, std::span<const size_t> digits,
                 int64_t first_row, int64_t lane, TileBeats* tile) {
  const std::span<const int8_t> values = RowOf(weights, row);
  const WeightCode code = coding.codes[static_cast<size_t>(row)];
  // The codes of a value's digits, looked up once a value.
  std::array<std::array<uint64_t, 4>, 256> codes{};
  for (int8_t value : Distinct(values)) {
    const Digits found = *FindDigits(code, coding.shape, value);
    for (size_t d = 0; d < found.size(); ++d) {
      codes[static_cast<size_t>(value + 128)][d] = EncodeDigit(code, found[d]);
    }
  }
  const int64_t steps = weights.steps();
  for (size_t block = 0; block < digits.size(); ++block) {
    for (int64_t step = 0; step < steps; ++step) {
      uint64_t beat = 0;
      for (int64_t i = 0; i < kWordChannels; ++i) {
        const int8_t value = values[static_cast<size_t>(step * kWordChannels + i)];
        beat |= codes[static_cast<size_t>(value + 128)][digits[block]] << (4 * i);
      }
      tile->At(first_row + static_cast<int64_t>(block) * steps + step, lane) = beat;
    }
  }
}

PortStreams SplitIntoPorts(std::span<const TileBeats> tiles, int64_t param_rows,
                           const hw::Configuration& configuration) {
  const int64_t port_lanes = configuration.lanes() / configuration.ports;
  PortStreams streams;
  streams.diagonal =
      port_lanes % kWordChannels == 0 &&
      std::all_of(tiles.begin(), tiles.end(), [&](const TileBeats& tile) { return IsDiagonal(tile, param_rows); });
  std::vector<std::vector<uint64_t>> ports(static_cast<size_t>(configuration.ports));
  for (const TileBeats& tile : tiles) {
    for (int64_t row = 0; row < tile.rows(); ++row) {
      const int64_t beat_lanes = streams.diagonal && row >= param_rows ? kWordChannels : 1;
      for (int64_t lane = 0; lane < configuration.lanes(); lane += beat_lanes) {
        uint64_t beat = 0;
        for (int64_t i = 0; i < beat_lanes; ++i) beat |= tile.At(row, lane + i);
        ports[static_cast<size_t>(lane / port_lanes)].push_back(beat);
      }
    }
  }
  streams.port_stride = RoundUp(std::ssize(ports.front()) * kWordBytes, kStreamAlignment);
  streams.bytes.resize(static_cast<size_t>(streams.port_stride * configuration.ports));
  std::byte* place = streams.bytes.data();
  for (const std::vector<uint64_t>& beats : ports) {
    std::memcpy(place, beats.data(), beats.size() * kWordBytes);
    place += streams.port_stride;
  }
  return streams;
}

}  // namespace msq::fpga

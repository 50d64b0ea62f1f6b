#include "hw/sim/undefined_uses.h"

#include <algorithm>

#include "hw/sim/conv_outputs.h"
#include "hw/sim/conv_passes.h"

namespace msq::hw {
namespace {

constexpr int64_t kCoordinates = 1 << 14;  // more than those of CONV; its fields allow none below -2^12

// The row or column of the last tap of the last of `outputs` outputs.
int64_t LastTap(int64_t first, int64_t outputs, int64_t stride, int64_t taps, int64_t dilation) {
  return first + (outputs - 1) * stride + (taps - 1) * dilation;
}

// VEC holds all that its fields can ask for.
std::string CoordinatesBeyond(const ConvFields& f) {
  const int64_t rows = (f.pixels + f.out_width - 1) / f.out_width, columns = std::min(f.pixels, f.out_width);
  const int64_t last = std::max(LastTap(f.first_y, rows, f.stride_y, f.kernel_h, f.dilation_y),
                                LastTap(f.first_x, columns, f.stride_x, f.kernel_w, f.dilation_x));
  return last < kCoordinates ? "" : "a tap lies in row or column " + std::to_string(last) + ", beyond 14 bits";
}

// A number for each eight channels of a pixel and plane.
int64_t WriterOf(const ConvFields& f, int64_t half, int64_t pixel, int64_t plane) {
  return (half * f.pixels + pixel) * 2 + plane;
}

}  // namespace

UndefinedUses::UndefinedUses(const Configuration& configuration)
    : configuration_(configuration),
      writers_(2 * static_cast<size_t>(configuration.banks) * static_cast<size_t>(configuration.depth), kNobody) {}

std::string UndefinedUses::Find(const ConvFields& f, const std::deque<WeightTile>& tiles) {
  Begin();
  found_ = CoordinatesBeyond(f);
  WriteOutputs(f);
  for (int64_t tile = 0; tile < f.tiles; ++tile) {
    ReadInputs(f, StepsWithWeights(f, tiles[static_cast<size_t>(tile)], tile), tile);
  }
  if (f.skip) ReadResidual(f);
  return found_;
}

std::string UndefinedUses::Find(const VecFields& f) {
  Begin();
  const int64_t in_plane = Word(f.in_plane), out_plane = Word(f.out_plane);
  int64_t writes = 0;
  const auto put = [&](int64_t word) {
    WriteWord(word, writes++);
    if (f.wide) WriteWord(word + out_plane, writes++);
  };
  const auto take = [&](int64_t word) {
    ReadWord(word);
    if (f.wide) ReadWord(word + in_plane);
  };
  Walk(
      f, [](int64_t) {}, put);
  Walk(f, take, [](int64_t) {});
  return found_;
}

std::string UndefinedUses::Find(const LoadFields& f) {
  Begin();
  int64_t word = Word(f.act), writes = 0;
  for (int64_t row = 0; row < f.rows; ++row) {
    for (int64_t i = 0; i < f.row_words; ++i) {
      WriteWord(word, writes++);
      word += Word(i + 1 < f.row_words ? f.act_step : f.act_row_step);
    }
  }
  return found_;
}

void UndefinedUses::Begin() {
  for (const size_t half : written_) writers_[half] = kNobody;
  written_.clear();
  found_.clear();
}

void UndefinedUses::Write(Half half, int64_t writer) {
  if (!Has(half.word)) return;
  const auto place = static_cast<size_t>(2 * half.word + half.half);
  if (writers_[place] != kNobody && found_.empty()) found_ = "writes word " + std::to_string(half.word) + " twice";
  writers_[place] = writer;
  written_.push_back(place);
}

void UndefinedUses::WriteWord(int64_t word, int64_t writer) {
  Write({word, 0}, writer);
  Write({word, 1}, writer);
}

void UndefinedUses::Read(Half half, int64_t unless_by) {
  if (!Has(half.word)) return;
  const int64_t writer = writers_[static_cast<size_t>(2 * half.word + half.half)];
  if (writer == kNobody || writer == unless_by || !found_.empty()) return;
  found_ = "reads word " + std::to_string(half.word) + " and writes it";
}

void UndefinedUses::ReadWord(int64_t word) {
  Read({word, 0}, kNobody);
  Read({word, 1}, kNobody);
}

template <typename Visit>
void UndefinedUses::ForEachOutput(const ConvFields& f, const Visit& visit) const {
  for (int64_t tile = 0; tile < f.tiles; ++tile) {
    const int64_t first = FirstSlot(configuration_, f, tile) / 8, count = WrittenLanes(configuration_, f, tile) / 8;
    for (int64_t half = first; half < first + count; ++half) {
      for (int64_t pixel = 0; pixel < f.pixels; ++pixel) visit(half, pixel, tile);
    }
  }
}

void UndefinedUses::WriteOutputs(const ConvFields& f) {
  const int64_t planes = f.out8 ? 2 : 1;
  ForEachOutput(f, [&](int64_t half, int64_t pixel, int64_t tile) {
    const int64_t word = OutputOf(configuration_, f, tile, pixel) + half / 2 * Word(f.out_group);
    if (f.raw) {
      for (int64_t i = 0; i < 4; ++i) WriteWord(word + half % 2 * 4 + i, WriterOf(f, half, pixel, 0));
      return;
    }
    for (int64_t plane = 0; plane < planes; ++plane) {
      Write({word + plane * Word(f.out_plane), half % 2}, WriterOf(f, half, pixel, plane));
    }
  });
}

UndefinedUses::Steps UndefinedUses::StepsWithWeights(const ConvFields& f, const WeightTile& tile,
                                                     int64_t number) const {
  const auto count = static_cast<size_t>(StepsOf(f)), all_lanes = static_cast<size_t>(configuration_.lanes());
  Steps steps;
  for (auto& of_plane : steps) of_plane.resize(count);
  if (tile.weight_rows != f.weight_rows) return steps;
  const auto lanes = static_cast<size_t>(WrittenLanes(configuration_, f, number));
  const size_t row_beats = tile.is_diagonal ? all_lanes / kChannels : all_lanes;
  const size_t beats = tile.is_diagonal ? (lanes + kChannels - 1) / kChannels : lanes;
  const std::array<int64_t, 8> rows = PassRows(f);
  for (size_t pass = 0; pass < static_cast<size_t>(f.passes); ++pass) {
    const auto first = static_cast<size_t>(rows[pass]);
    for (size_t step = 0; step < count; ++step) {
      const uint64_t* row = &tile.beats[static_cast<size_t>(tile.param_rows) * all_lanes + (first + step) * row_beats];
      if (std::any_of(row, row + beats, [](uint64_t beat) { return beat != 0; })) {
        steps[f.pass_plane >> pass & 1][step] = true;
      }
    }
  }
  return steps;
}

void UndefinedUses::ReadInputs(const ConvFields& f, const Steps& steps, int64_t tile) {
  int64_t first = Word(f.in) + tile * Word(f.in_tile);
  for (int64_t pixel = 0; pixel < f.pixels; ++pixel) {
    const int64_t oy = pixel / f.out_width, ox = pixel % f.out_width;
    int64_t word = first;
    size_t step = 0;
    for (int64_t ky = 0; ky < f.kernel_h; ++ky) {
      for (int64_t kx = 0; kx < f.kernel_w; ++kx) {
        const int64_t y = f.first_y + oy * f.stride_y + ky * f.dilation_y;
        const int64_t x = f.first_x + ox * f.stride_x + kx * f.dilation_x;
        const bool inside = y >= 0 && y < f.in_height && x >= 0 && x < f.in_width;
        for (int64_t g = 0; g < f.channel_groups; ++g, ++step) {
          if (inside && steps[0][step]) ReadWord(word);
          if (inside && steps[1][step]) ReadWord(word + Word(f.in_plane));
          if (g + 1 < f.channel_groups) word += Word(f.in_group);
        }
        word += Word(kx + 1 < f.kernel_w ? f.in_tap : f.in_tap_row);
      }
    }
    first += Word(ox + 1 == f.out_width ? f.in_row : f.in_pixel);
  }
}

void UndefinedUses::ReadResidual(const ConvFields& f) {
  const int64_t planes = f.skip8 ? 2 : 1;
  ForEachOutput(f, [&](int64_t half, int64_t pixel, int64_t) {
    const int64_t word = Word(f.skip_in) + half / 2 * Word(f.skip_group) + pixel;
    for (int64_t plane = 0; plane < planes; ++plane) {
      Read({word + plane * Word(f.skip_plane), half % 2}, WriterOf(f, half, pixel, plane));
    }
  });
}

template <typename Take, typename Put>
void UndefinedUses::Walk(const VecFields& f, const Take& take, const Put& put) const {
  int64_t in = Word(f.in), out = Word(f.out);
  for (int64_t group = 0; group < f.groups; ++group) {
    for (int64_t oy = 0; oy < f.out_height; ++oy) {
      for (int64_t ox = 0; ox < f.out_width; ++ox) {
        int64_t tap = in;
        for (int64_t ky = 0; ky < f.kernel_h; ++ky) {
          for (int64_t kx = 0; kx < f.kernel_w; ++kx) {
            const int64_t y = f.first_y + oy * f.stride_y + ky, x = f.first_x + ox * f.stride_x + kx;
            if (y >= 0 && y < f.in_height && x >= 0 && x < f.in_width) take(tap);
            tap += Word(kx + 1 < f.kernel_w ? f.in_tap : f.in_tap_row);
          }
        }
        put(out);
        const bool row_ends = ox + 1 == f.out_width, group_ends = row_ends && oy + 1 == f.out_height;
        in += Word(group_ends ? f.in_group : row_ends ? f.in_row : f.in_pixel);
        out += Word(group_ends ? f.out_group : row_ends ? f.out_row : f.out_pixel);
      }
    }
  }
}

}  // namespace msq::hw

#include "hw/rtl/msq_conv_model.h"

#include <algorithm>
#include <map>

namespace msq::hw {
namespace {

int Random(int from, int to, std::mt19937_64* random) {
  return from + static_cast<int>((*random)() % static_cast<uint64_t>(to - from + 1));
}

int PlaneWords(const ConvCase& conv) {
  return conv.height * conv.width * (conv.groups + (conv.tiles - 1) * conv.tile_groups);
}

// How many cycles beyond the first a step of these pixels takes: as many as lanes meet in the fullest bank.
int SubCycles(const ConvCase& conv, int first_pixel, int px, int banks) {
  std::map<int, int> lanes;
  int most = 0;
  for (int p = first_pixel; p < first_pixel + px; ++p) {
    const int y = p / conv.out_width * conv.stride_y;
    const int x = p % conv.out_width * conv.stride_x;
    most = std::max(most, ++lanes[(y * conv.width + x) % banks]);
  }
  return most - 1;
}

}  // namespace

int ConvCase::words() const {
  return std::max(plane0, plane1) + PlaneWords(*this);
}

uint64_t ActivationWord(int64_t number) {
  uint64_t z = static_cast<uint64_t>(number) * 0x9e3779b97f4a7c15u + 0x1234567u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

ConvFields FieldsOf(const ConvCase& conv, const ArrayShape& shape) {
  const auto address = [&shape](int64_t word) { return SplitAddress(word, shape.banks); };
  const int plane = conv.height * conv.width;
  ConvFields fields;
  fields.passes = static_cast<int64_t>(conv.pass_row.size());
  fields.stream = conv.stream;
  fields.tiles = conv.tiles;
  fields.last_groups = conv.last_groups;
  fields.pixels = conv.pixels;
  fields.out_width = conv.out_width;
  fields.kernel_h = conv.kernel_h;
  fields.kernel_w = conv.kernel_w;
  fields.channel_groups = conv.groups;
  fields.stride_y = conv.stride_y;
  fields.stride_x = conv.stride_x;
  fields.dilation_y = conv.dilation_y;
  fields.dilation_x = conv.dilation_x;
  fields.in_height = conv.height;
  fields.in_width = conv.width;
  fields.first_y = conv.first_y;
  fields.first_x = conv.first_x;
  fields.pad_low = conv.pad_low;
  fields.pad_high = conv.pad_high;
  fields.weight_rows = conv.weight_rows;
  fields.in = address(conv.plane0 + conv.first_y * conv.width + conv.first_x);
  fields.in_plane = address(conv.plane1 - conv.plane0);
  fields.in_tile = address(conv.tile_groups * plane);
  fields.in_pixel = address(conv.stride_x);
  fields.in_row = address(conv.stride_y * conv.width - (conv.out_width - 1) * conv.stride_x);
  fields.in_group = address(plane);
  fields.in_tap = address(conv.dilation_x - (conv.groups - 1) * plane);
  fields.in_tap_row =
      address(conv.dilation_y * conv.width - (conv.kernel_w - 1) * conv.dilation_x - (conv.groups - 1) * plane);
  int64_t* const rows[] = {&fields.pass0_row, &fields.pass1_row, &fields.pass2_row, &fields.pass3_row,
                           &fields.pass4_row, &fields.pass5_row, &fields.pass6_row, &fields.pass7_row};
  for (size_t i = 0; i < conv.pass_row.size(); ++i) {
    *rows[i] = conv.pass_row[i];
    fields.pass_plane |= int64_t{conv.pass_plane[i]} << i;
  }
  return fields;
}

ConvTrace TraceOf(const ConvCase& conv, const ArrayShape& shape, int64_t first_row) {
  ConvTrace trace;
  const auto word = [&conv](int tile, int pixel, int ky, int kx, int g, bool plane) {
    const int y = conv.first_y + pixel / conv.out_width * conv.stride_y + ky * conv.dilation_y;
    const int x = conv.first_x + pixel % conv.out_width * conv.stride_x + kx * conv.dilation_x;
    if (y < 0 || y >= conv.height || x < 0 || x >= conv.width) {
      return static_cast<uint64_t>(plane ? conv.pad_high : conv.pad_low) * 0x1111111111111111u;
    }
    const int channel = tile * conv.tile_groups + g;
    return ActivationWord((plane ? conv.plane1 : conv.plane0) + (channel * conv.height + y) * conv.width + x);
  };
  for (int tile = 0; tile < conv.tiles; ++tile) {
    for (int begin = 0; begin < conv.pixels; begin += shape.p) {
      const int px = std::min(shape.p, conv.pixels - begin);
      const int64_t sub = SubCycles(conv, begin, px, shape.banks);
      for (size_t pass = 0; pass < conv.pass_row.size(); ++pass) {
        for (int k = 0; k < conv.steps(); ++k) {
          const int g = k % conv.groups;
          const int kx = k / conv.groups % conv.kernel_w;
          const int ky = k / conv.groups / conv.kernel_w;
          ConvStep step;
          for (int p = begin; p < begin + px; ++p)
            step.words.push_back(word(tile, p, ky, kx, g, conv.pass_plane[pass]));
          const int64_t pass_row = conv.stream ? static_cast<int64_t>(pass) * conv.steps() : conv.pass_row[pass];
          step.row = first_row + int64_t{tile} * conv.weight_rows + pass_row + k;
          step.first = k == 0;
          step.last = k == conv.steps() - 1;
          step.px = px;
          step.grp = tile == conv.tiles - 1 ? conv.last_groups : shape.o / shape.q;
          step.release_rows = conv.stream ? 1 : 0;
          trace.steps.push_back(std::move(step));
          trace.sub_cycles += sub;
        }
      }
    }
    if (!conv.stream) trace.steps.back().release_rows = conv.weight_rows;
  }
  trace.weight_rows = int64_t{conv.tiles} * conv.weight_rows;
  return trace;
}

ConvCase RandomCase(const ArrayShape& shape, int max_rows, std::mt19937_64* random) {
  const auto pick = [random](int from, int to) { return Random(from, to, random); };
  ConvCase conv;
  conv.kernel_h = pick(1, 4);
  conv.kernel_w = pick(1, 4);
  if (pick(0, 2) == 0) conv.kernel_h = conv.kernel_w = 1;
  conv.groups = pick(1, 4);
  conv.stride_y = pick(1, 3);
  conv.stride_x = pick(1, 3);
  conv.dilation_y = pick(1, 2);
  conv.dilation_x = pick(1, 2);
  conv.out_width = pick(0, 3) == 0 ? 1 : pick(1, 12);
  conv.stream = pick(0, 5) == 0;
  conv.pixels = conv.stream ? pick(1, shape.p) : pick(1, 30);
  const int rows = (conv.pixels + conv.out_width - 1) / conv.out_width;
  conv.first_y = pick(-3, 2);
  conv.first_x = pick(-3, 0);
  // So that what the window covers ends somewhere about the end of the input.
  conv.height = std::max(1, conv.first_y + rows * conv.stride_y + pick(-2, 3));
  conv.width = std::max(1, conv.first_x + conv.out_width * conv.stride_x + pick(-2, 3));
  conv.tiles = pick(1, 3);
  conv.tile_groups = pick(0, 2) == 0 ? std::max(1, shape.o / 16) : 0;
  conv.last_groups = pick(1, shape.o / shape.q);
  conv.pad_low = pick(0, 15);
  conv.pad_high = pick(0, 15);
  conv.plane0 = pick(0, 300);
  conv.plane1 = conv.plane0 + PlaneWords(conv) + pick(0, 20);
  if (pick(0, 3) == 0) std::swap(conv.plane0, conv.plane1);
  const int passes = pick(0, 2) == 0 ? pick(1, 8) : pick(1, 2);
  conv.pass_row.clear();
  conv.pass_plane.clear();
  for (int i = 0; i < passes; ++i) {
    conv.pass_row.push_back(conv.stream ? pick(0, 4095) : pick(0, max_rows - conv.steps()));
    conv.pass_plane.push_back(pick(0, 1) != 0);
  }
  conv.weight_rows = conv.stream ? passes * conv.steps()
                                 : *std::max_element(conv.pass_row.begin(), conv.pass_row.end()) + conv.steps();
  return conv;
}

}  // namespace msq::hw

// What msq_conv must do for an instruction, from the loops of the programmer's guide over plain word numbers.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "hw/regs/isa.h"

namespace msq::hw {

struct ArrayShape {
  int p;
  int o;
  int q;
  int banks;
};

// A CONV instruction in terms of tensors. Word numbers are linear, not split into banks.
struct ConvCase {
  int height = 1, width = 1, groups = 1;  // of the input, as one tile reads it
  int kernel_h = 1, kernel_w = 1, stride_y = 1, stride_x = 1, dilation_y = 1, dilation_x = 1;
  int first_y = 0, first_x = 0, out_width = 1, pixels = 1;
  int tiles = 1, tile_groups = 0, last_groups = 1;  // tile_groups: channel groups from one tile's input to the next's
  int pad_low = 0, pad_high = 0;
  bool stream = false;
  std::vector<int> pass_row = {0};  // one a pass; with stream they mean nothing
  std::vector<bool> pass_plane = {false};
  int weight_rows = 1;
  int plane0 = 0, plane1 = 0;  // first word of either plane

  int steps() const { return kernel_h * kernel_w * groups; }
  int words() const;  // that the activation memory must have
};

// One step as the array sees it.
struct ConvStep {
  std::vector<uint64_t> words;  // of the lanes that count
  int64_t row = 0;              // of the weights, counted over all instructions
  bool first = false, last = false;
  int px = 0, grp = 0;   // with last
  int release_rows = 0;  // released together with reading the row
};

struct ConvTrace {
  std::vector<ConvStep> steps;
  int64_t weight_rows = 0;  // of all tiles
  int64_t sub_cycles = 0;   // beyond one a step
};

// How willing what surrounds msq_conv is, in percent of cycles; and what came of it.
struct ConvPace {
  int rows = 100;     // a weight row arrives
  int credits = 100;  // the drain frees an item
};

struct ConvStats {
  int64_t steps = 0;
  int64_t cycles = 0;  // from the first step to the last
  int64_t stall_weights = 0, stall_drain = 0, stall_bank = 0;
};

// The word of the simulated activation memory.
uint64_t ActivationWord(int64_t number);

ConvFields FieldsOf(const ConvCase& conv, const ArrayShape& shape);
ConvTrace TraceOf(const ConvCase& conv, const ArrayShape& shape, int64_t first_row);

// Anything that the instruction set allows, small; tiles of at most max_rows weight rows unless they stream.
ConvCase RandomCase(const ArrayShape& shape, int max_rows, std::mt19937_64* random);

}  // namespace msq::hw

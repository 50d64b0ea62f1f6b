// A network as a program of the accelerator: what to put into DRAM, where its inputs and outputs are and how they look.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backends/fpga/lowering/image_layout.h"
#include "hw/regs/configurations.h"
#include "model/ir/graph.h"

namespace msq::fpga {

// An input that only one convolution reads, with few channels, is packed by the host as the convolution wants it: all taps
// of one output column in one row group (as many input rows as the stride has, or the window) stand in slots one after
// the other, and the image has one pixel per row group and output column. What lies outside the input is the zero point.
struct TapPacking {
  std::array<int64_t, 3> shape = {};  // [C,H,W] of the input itself
  int64_t rows = 1;                   // input rows that a row group holds
  int64_t stride_y = 1;               // from one row group's first row to the next one's
  int64_t kernel_w = 1, stride_x = 1, dilation_x = 1;
  int64_t pad_top = 0, pad_left = 0;
  int zero_point = 0;

  int64_t slot(int64_t row, int64_t kx, int64_t channel) const { return (row * kernel_w + kx) * shape[0] + channel; }
};

// A graph input or output in DRAM.
struct HostTensor {
  ir::TensorId id = -1;
  int64_t dram = 0;  // byte offset
  ImageLayout layout = {};
  std::optional<TapPacking> taps = {};  // inputs only

  int64_t bytes() const { return layout.words() * kWordBytes; }
};

// What became of one node, or of two that were fused.
struct LayerRecord {
  std::string node;
  std::string kind;       // "Conv", "Conv packed", ...
  int64_t passes = 0;     // of CONV
  int64_t steps = 0;      // of the array: the cycles it takes if nothing stalls
  int64_t cycles = 0;     // the same, if nothing but the read-out of sums stalls: Q of a pixel a cycle
  int64_t vec_words = 0;  // words that VEC reads
  int64_t weight_bytes = 0;
  int64_t load_words = 0;  // from DRAM and to it, of tensors that have no room
  int64_t store_words = 0;
  int64_t convs = 0;  // instructions, which follow those of the record before
  int64_t vecs = 0;
};

struct Program {
  hw::Configuration configuration;
  // The constant part of DRAM, from byte offset 0 on: instructions, then weights. Inputs and outputs lie behind it.
  std::vector<std::byte> image = {};
  int64_t instructions = 0;
  int64_t dram_bytes = 0;                // of everything
  std::vector<HostTensor> inputs = {};   // as the graph's
  std::vector<HostTensor> outputs = {};  // as the graph's
  std::vector<LayerRecord> layers = {};

  // Adds `base`, a multiple of 128, to every DRAM address, for a program that lies there instead of at 0.
  void MoveTo(uint64_t base);
};

// Codes, one a byte in the graph's order, into the words of `input`. out.size() == input.bytes().
void PackInput(const HostTensor& input, std::span<const std::byte> codes, std::span<std::byte> out);

// The words of `output` into codes, one a byte, or 32-bit sums, four bytes each, in the graph's order.
void UnpackOutput(const HostTensor& output, std::span<const std::byte> words, std::span<std::byte> values);

}  // namespace msq::fpga

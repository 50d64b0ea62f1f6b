// The operators of the IR: plain structs of integers. What each computes is stated here in one line and normatively by
// model/reference; every number is final (no float takes part in inference between the network's input and output).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "model/numerics/scheme.h"

namespace msq::ir {

using numerics::Scheme;

// A GEMM-shaped weight matrix: one row per output channel, each with its own scheme. `values` holds the decoded
// integers row by row; a value has exactly one code in its row's scheme, so nothing is lost against the packed form.
struct Weights {
  int64_t rows = 0;
  int64_t row_length = 0;       // Conv: (channels/groups) * kernel_h * kernel_w, in that order
  std::vector<Scheme> schemes;  // [rows]
  std::vector<int8_t> values;   // [rows * row_length]
  std::vector<float> alphas;    // [rows], real weight = alpha * value / FullScale(scheme); for reports
  std::vector<std::array<int8_t, 16>> codebooks;  // referenced by codebook4 rows
  std::vector<int32_t> codebook_of_row;           // [rows] when any row is codebook4, else empty
};

// Per-row constants of docs/numerics.md N10 to N12. Vectors have one entry per output row, or one for all of them.
struct Requantizer {
  std::vector<uint32_t> multipliers;  // M: 1..2^17-1
  std::vector<int64_t> addends;       // B: |B| < 2^46
  std::vector<uint8_t> shifts;        // S: 0..46
  // N of N11, same length as `multipliers`; empty when the node has no second operand to add.
  std::vector<uint32_t> skip_multipliers;

  struct Leaky {                        // N12; vectors as long as `multipliers`
    std::vector<int32_t> thresholds;    // acc >= threshold takes M and B, else the two below
    std::vector<uint32_t> multipliers;  // 0..2^17-1
    std::vector<int64_t> addends;
  };
  std::optional<Leaky> leaky;  // never together with skip_multipliers
};

// A network output kept as an integer: out = acc + bias[row], dequantized at the edge by the tensor's row scales.
struct RawOutput {
  std::vector<int32_t> biases;  // [rows], |acc + bias| < 2^24
};

using Epilogue = std::variant<Requantizer, RawOutput>;

struct Window {
  std::array<int64_t, 2> kernel = {1, 1};      // height, width
  std::array<int64_t, 2> strides = {1, 1};     // height, width
  std::array<int64_t, 4> pads = {0, 0, 0, 0};  // top, left, bottom, right
  std::array<int64_t, 2> dilations = {1, 1};   // height, width
};

// [C,H,W] -> [rows,H',W']. Padding pads with the input's zero point (N2). An optional second input of the output's
// shape is added by the requantizer (N11).
struct Conv {
  Window window;
  int64_t groups = 1;  // channels = depthwise
  Weights weights;
  Epilogue epilogue;
};

// [K] -> [rows]: one dot product per row. Optional second input as for Conv. (ONNX Gemm/MatMul.)
struct Dense {
  Weights weights;
  Epilogue epilogue;
};

// Two tensors of one shape -> the same shape: acc = first, skip = second, one requantizer entry.
struct Add {
  Requantizer requantizer;
};

// Elementwise acc = code: Relu, Clip, LeakyRelu and changes of scale. One entry, or one per channel (first dimension).
struct Rescale {
  Requantizer requantizer;
};

// [C,H,W] -> [C,H',W'], maximum of the codes inside the image; type unchanged. Every window touches the image.
struct MaxPool {
  Window window;
};

// [C,H,W] -> [C,H',W'], acc = sum of codes. With count_include_pad, padding contributes the zero point and there is one
// requantizer entry; without, the entry is chosen by the number n of taps inside the image: entry n-1 of
// kernel_h*kernel_w. Dilation is 1.
struct AveragePool {
  Window window;
  bool count_include_pad = false;
  Requantizer requantizer;
};

// [C,H,W] -> [C,1,1], acc = sum of codes, one requantizer entry.
struct GlobalAveragePool {
  Requantizer requantizer;
};

// Any number of tensors that agree in type and in every dimension but `axis`.
struct Concat {
  int64_t axis = 0;
};

// [C,H,W] -> [C,H*factor_h,W*factor_w], nearest neighbour: out(y,x) = in(y/factor_h, x/factor_w).
struct ResizeNearest {
  std::array<int64_t, 2> factors = {1, 1};  // height, width
};

// Same elements in the same row-major order, new shape (the output tensor's). Flatten is a Reshape to one dimension.
struct Reshape {};

// Adds elements of real value 0 (the zero point) before and after along each dimension.
struct Pad {
  std::vector<int64_t> before;  // one per dimension
  std::vector<int64_t> after;
};

// out(i) = in(starts + i * steps) along each dimension; steps are positive.
struct Slice {
  std::vector<int64_t> starts;
  std::vector<int64_t> ends;  // exclusive
  std::vector<int64_t> steps;
};

// LSTM or GRU over [T,F] -> [T,directions*hidden_size]. The shape only: the verifier checks it, no backend runs it yet.
struct Recurrent {
  enum class Cell : uint8_t { kLstm = 0, kGru = 1 };
  enum class Direction : uint8_t { kForward = 0, kReverse = 1, kBidirectional = 2 };
  Cell cell = Cell::kLstm;
  Direction direction = Direction::kForward;
  int64_t hidden_size = 0;
  bool linear_before_reset = false;  // GRU
  Weights input_weights;             // [directions * gates * hidden_size, F], gates 4 (i,o,f,c) or 3 (z,r,h)
  Weights recurrent_weights;         // [directions * gates * hidden_size, hidden_size]
  std::vector<int32_t> biases;       // [directions * gates * hidden_size], in accumulator units
  int cell_fraction_bits = 12;       // binary point of the 16-bit cell state (QFX)
};

using Op = std::variant<Conv, Dense, Add, Rescale, MaxPool, AveragePool, GlobalAveragePool, Concat, ResizeNearest,
                        Reshape, Pad, Slice, Recurrent>;

// "Conv", "Dense", ...
std::string_view OpName(const Op& op);

}  // namespace msq::ir

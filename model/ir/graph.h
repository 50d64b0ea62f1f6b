// The graph of a quantized network: tensors, nodes in execution order, inputs and outputs. The batch dimension is
// implicit: every shape here is that of one sample, and any batch size runs through the same graph.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/ir/op.h"

namespace msq::ir {

// Row-major, outermost first; images are [channels, height, width].
using Shape = std::vector<int64_t>;

// Product of the dimensions; 1 for an empty shape. Precondition: the product fits int64 (verified graphs: <= 2^26).
int64_t ElementCount(const Shape& shape);
// "[64,7,7]"
std::string ToString(const Shape& shape);

// What a tensor's integers mean.
struct TensorType {
  enum class Kind : uint8_t {
    kCode = 0,         // unsigned `bits`-bit codes, one per byte: real = scale * (code - zero_point)      (N1)
    kAccumulator = 1,  // int32 of a raw network output: real = value * row_scales[channel]                (N14)
  };
  Kind kind = Kind::kCode;
  Shape shape;
  int bits = 4;                   // kCode: 4 or 8
  float scale = 1.0f;             // kCode
  int zero_point = 0;             // kCode: 0 <= zero_point < 2^bits
  std::vector<float> row_scales;  // kAccumulator: [shape[0]]

  // Bytes of one sample's elements: 1 per code, 4 per accumulator.
  int64_t ByteSize() const { return ElementCount(shape) * (kind == Kind::kCode ? 1 : 4); }
};

struct Tensor {
  std::string name;
  TensorType type;
};

using TensorId = int32_t;  // index into Graph::tensors

struct Node {
  std::string name;
  Op op;
  std::vector<TensorId> inputs;
  TensorId output = -1;
};

struct Graph {
  std::string name;
  std::vector<Tensor> tensors;
  std::vector<Node> nodes;  // topological: a node reads graph inputs and outputs of earlier nodes only
  std::vector<TensorId> inputs;
  std::vector<TensorId> outputs;
};

}  // namespace msq::ir

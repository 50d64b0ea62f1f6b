// Graphs for tests, node by node: names are counted, shapes and types inferred, weights invented.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/ir/graph.h"

namespace msq::testing {

// Numbers that are the same on every machine.
class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}

  // low..high, near enough to uniformly.
  int64_t operator()(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool OneIn(int64_t n) { return (*this)(1, n) == 1; }

 private:
  std::mt19937_64 random_;
};

struct Codes {
  int bits = 4;
  int zero_point = 0;
};

// Of a layer with weights.
struct Layer {
  ir::Window window = {};  // Conv
  int64_t groups = 1;      // Conv
  std::vector<ir::Scheme> schemes = {ir::Scheme::kSp2, ir::Scheme::kFixed4, ir::Scheme::kSp2};
  uint32_t seed = 1;    // of the weights
  double scale = 0.01;  // from sums to codes
  int addend = 3;       // to codes
  uint32_t skip = 0;    // multiplier of a second operand; 0: the first one's
  bool raw = false;     // sums instead of codes
};

class GraphBuilder {
 public:
  explicit GraphBuilder(std::string name) { graph_.name = std::move(name); }

  ir::TensorId Input(ir::Shape shape, Codes codes = {});
  // Operators that move codes keep those of their first input whatever `codes` says; a raw epilogue gives accumulators.
  // `shape` is a Reshape's. Returns the output.
  ir::TensorId Add(ir::Op op, std::vector<ir::TensorId> inputs, Codes codes = {}, const ir::Shape& shape = {});
  ir::TensorId Conv(std::vector<ir::TensorId> inputs, int64_t rows, const Layer& layer, Codes codes = {});
  ir::TensorId Dense(std::vector<ir::TensorId> inputs, int64_t rows, const Layer& layer, Codes codes = {});

  const ir::TensorType& Type(ir::TensorId id) const { return graph_.tensors[static_cast<size_t>(id)].type; }
  const ir::Shape& Shape(ir::TensorId id) const { return Type(id).shape; }
  ir::Tensor& tensor(ir::TensorId id) { return graph_.tensors[static_cast<size_t>(id)]; }
  int64_t nodes() const { return std::ssize(graph_.nodes); }

  ir::Graph Finish(std::vector<ir::TensorId> outputs) &&;

 private:
  ir::TensorId AddTensor(ir::TensorType type);

  ir::Graph graph_;
};

}  // namespace msq::testing

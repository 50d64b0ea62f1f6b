// Random operators for a given input: shapes with primes and ones, extreme weights, requantizers at their limits.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "model/ir/graph.h"

namespace msq::conformance {

// The same numbers on every machine (the standard's distributions are not).
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int64_t Uniform(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  bool Chance(int percent) { return Uniform(0, 99) < percent; }
  int64_t OneOf(std::initializer_list<int64_t> values) {
    return values.begin()[static_cast<size_t>(Uniform(0, static_cast<int64_t>(values.size()) - 1))];
  }

 private:
  std::mt19937_64 engine_;
};

// A code type without a shape.
ir::TensorType RandomCodes(Random* random);
// Mostly an image; at most `max_elements`.
ir::Shape RandomShape(Random* random, int64_t max_elements);

// An operator that may yet turn out not to fit its input. `out` has the type; its shape is set for Reshape only.
struct Draft {
  ir::Op op;
  ir::TensorType out;
  bool wants_skip = false;  // the operator takes a second input of its output's shape
};
Draft DraftOp(Random* random, const ir::TensorType& input);

}  // namespace msq::conformance

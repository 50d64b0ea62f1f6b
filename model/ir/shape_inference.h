// The shape of a node's output from the shapes of its inputs: one rule per operator, for importer and verifier alike.
#pragma once

#include <span>

#include "absl/status/statusor.h"
#include "model/ir/graph.h"

namespace msq::ir {

// Limits that keep every size computation inside int64 and every graph inside memory.
inline constexpr int64_t kMaxDimension = int64_t{1} << 20;
inline constexpr int64_t kMaxElements = int64_t{1} << 26;  // of one tensor, one sample
inline constexpr int kMaxRank = 4;
inline constexpr int64_t kMaxGroups = int64_t{1} << 14;  // of a convolution that is not depthwise

// INVALID_ARGUMENT when a shape is empty of elements, too large or of too many dimensions.
absl::Status CheckShape(const Shape& shape);

// The output's shape, or INVALID_ARGUMENT naming the attribute or the input that does not fit. Reshape has no rule of
// its own (its output shape is its attribute): `declared` is checked to hold as many elements and returned.
absl::StatusOr<Shape> InferShape(const Op& op, std::span<const Shape> inputs, const Shape& declared);

}  // namespace msq::ir

#include "model/ir/graph.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace msq::ir {

int64_t ElementCount(const Shape& shape) {
  int64_t count = 1;
  for (int64_t dimension : shape) count *= dimension;
  return count;
}

std::string ToString(const Shape& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

std::string_view OpName(const Op& op) {
  static constexpr std::string_view kNames[] = {
      "Conv",   "Dense",         "Add",     "Rescale", "MaxPool", "AveragePool", "GlobalAveragePool",
      "Concat", "ResizeNearest", "Reshape", "Pad",     "Slice",   "Recurrent"};
  static_assert(std::size(kNames) == std::variant_size_v<Op>);
  return kNames[op.index()];
}

}  // namespace msq::ir

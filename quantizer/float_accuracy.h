// What the float network itself scores on a labelled set of pictures: the yardstick for its quantized versions, which
// `msq eval` measures on the same set, fitted and normalised in the same way.
#pragma once

#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "quantizer/float_graph.h"
#include "quantizer/options.h"

namespace msq::quantizer {

struct FloatAccuracy {
  int64_t images = 0;
  double top1 = 0;  // shares, 0..1
  double top5 = 0;
};

// On options.evaluate_path: a folder with labels.csv or an .npz with images and labels, as for `msq eval`; labels are class
// indices or names in `class_names`. Precondition: `graph` is simplified.
absl::StatusOr<FloatAccuracy> MeasureFloatAccuracy(const FloatGraph& graph, const QuantizeOptions& options,
                                                   const std::vector<std::string>& class_names, ThreadPool& pool);

}  // namespace msq::quantizer

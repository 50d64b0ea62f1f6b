#include "quantizer/float_accuracy.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/status.h"
#include "media/dataset.h"
#include "quantizer/calibration_data.h"
#include "quantizer/float_executor.h"

namespace msq::quantizer {
namespace {

// How many classes score better than `label`: 0 is a hit at the first place.
absl::StatusOr<int64_t> RankOf(const FloatTensor& scores, int64_t label) {
  if (label < 0 || label >= static_cast<int64_t>(scores.size())) {
    return InvalidArgument("label ", label, " is none of ", scores.size(), " classes");
  }
  const float score = scores[static_cast<size_t>(label)];
  return std::count_if(scores.begin(), scores.end(), [score](float other) { return other > score; });
}

absl::StatusOr<int64_t> RankOfPicture(const FloatGraph& graph, const QuantizeOptions& options,
                                      const media::Dataset& dataset, int64_t i,
                                      const std::vector<std::string>& class_names) {
  const ir::Shape& shape = graph.shape(graph.input);
  MSQ_ASSIGN_OR_RETURN(const media::Image picture, dataset.ReadImage(i, static_cast<int>(shape[0])));
  MSQ_ASSIGN_OR_RETURN(const int64_t label, dataset.Label(i, class_names));
  FloatTensor scores;
  RunGraph(graph, FromPicture(shape, options, picture), [&](ValueId id, const FloatTensor& value) {
    if (id == graph.outputs[0]) scores = value;
  });
  return RankOf(scores, label);
}

}  // namespace

absl::StatusOr<FloatAccuracy> MeasureFloatAccuracy(const FloatGraph& graph, const QuantizeOptions& options,
                                                   const std::vector<std::string>& class_names, ThreadPool& pool) {
  const ir::Shape& shape = graph.shape(graph.input);
  if (shape.size() != 3 || (shape[0] != 1 && shape[0] != 3)) {
    return InvalidArgument("--evaluate: pictures cannot feed an input of shape ", ir::ToString(shape));
  }
  auto dataset = media::Dataset::Open(options.evaluate_path);
  if (!dataset.ok()) return WithContext(dataset.status(), "--evaluate");
  if (dataset->size() == 0) return InvalidArgument("--evaluate: '", options.evaluate_path, "' holds no picture");
  std::atomic<int64_t> first{0}, within_five{0};
  std::mutex mutex;
  absl::Status error;  // guarded by mutex
  pool.ParallelFor(dataset->size(), [&](int64_t i) {
    const auto rank = RankOfPicture(graph, options, *dataset, i, class_names);
    if (!rank.ok()) {
      std::lock_guard lock(mutex);
      error = WithContext(rank.status(), "--evaluate");
      return;
    }
    first += *rank == 0 ? 1 : 0;
    within_five += *rank < 5 ? 1 : 0;
  });
  MSQ_RETURN_IF_ERROR(error);
  const auto images = static_cast<double>(dataset->size());
  return FloatAccuracy{dataset->size(), static_cast<double>(first) / images, static_cast<double>(within_five) / images};
}

}  // namespace msq::quantizer

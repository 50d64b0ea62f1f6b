// The samples that calibration runs on: a folder of pictures, or an .npy/.npz batch, as the network's real inputs.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "media/image.h"
#include "quantizer/float_executor.h"
#include "quantizer/options.h"

namespace msq::quantizer {

struct CalibrationSet {
  std::vector<FloatTensor> samples;
  // Pictures or uint8: real = (pixel / 255 - mean) / std, mean 0 and std 1 when the user gave none.
  bool pixels = false;
};

// At most `options.calibration_samples` samples, spread evenly over the set, each of graph.shape(graph.input). uint8 arrays
// and pictures are pixels and are normalised by mean and stddev; float arrays are taken as they are.
absl::StatusOr<CalibrationSet> LoadCalibration(const FloatGraph& graph, const QuantizeOptions& options);

// The real inputs that a picture stands for: fitted to `shape` [C,H,W] and normalised. Precondition: the picture has C
// channels.
FloatTensor FromPicture(const ir::Shape& shape, const QuantizeOptions& options, const media::Image& picture);

}  // namespace msq::quantizer

// Reads calibration samples through media/.
#include "quantizer/calibration_data.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/status.h"
#include "media/image.h"
#include "media/npy.h"

namespace msq::quantizer {
namespace {

// Value of pixel `p` (0..255) of channel c.
float Normalise(const QuantizeOptions& options, float p, int64_t c) {
  if (options.mean.empty()) return p / 255.0f;
  const auto pick = [c](const std::vector<float>& v) { return v[v.size() == 1 ? 0 : static_cast<size_t>(c)]; };
  return (p / 255.0f - pick(options.mean)) / pick(options.stddev);
}

// Indices of at most `wanted` out of `count` things, evenly spread.
std::vector<int64_t> Spread(int64_t count, int64_t wanted) {
  std::vector<int64_t> picks;
  const int64_t n = std::min(count, wanted);
  for (int64_t i = 0; i < n; ++i) picks.push_back(i * count / n);
  return picks;
}

absl::StatusOr<CalibrationSet> LoadFolder(const FloatGraph& graph, const QuantizeOptions& options) {
  const ir::Shape& shape = graph.shape(graph.input);
  if (shape.size() != 3 || (shape[0] != 1 && shape[0] != 3)) {
    return InvalidArgument("--calibration: pictures cannot feed an input of shape ", ir::ToString(shape),
                           "; give an .npz");
  }
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(options.calibration_path, error), end; !error && it != end;
       it.increment(error)) {
    const std::string extension = absl::AsciiStrToLower(it->path().extension().string());
    if (extension == ".png" || extension == ".jpg" || extension == ".jpeg") files.push_back(it->path().string());
  }
  if (error) return NotFound("--calibration: cannot list '", options.calibration_path, "': ", error.message());
  if (files.empty()) return NotFound("--calibration: no .png, .jpg or .jpeg in '", options.calibration_path, "'");
  std::sort(files.begin(), files.end());
  CalibrationSet set;
  set.pixels = true;
  for (int64_t pick : Spread(static_cast<int64_t>(files.size()), options.calibration_samples)) {
    MSQ_ASSIGN_OR_RETURN(const media::Image image, media::ReadImage(files[pick], static_cast<int>(shape[0])));
    set.samples.push_back(FromPicture(shape, options, image));
  }
  return set;
}

absl::StatusOr<media::Array> ReadArray(const std::string& path) {
  if (!absl::EndsWith(absl::AsciiStrToLower(path), ".npz")) return media::ReadNpy(path);
  MSQ_ASSIGN_OR_RETURN(auto members, media::ReadNpz(path));
  if (members.empty()) return InvalidArgument("'", path, "' holds no array");
  const auto images = members.find("images");
  return std::move(images == members.end() ? members.begin()->second : images->second);
}

absl::StatusOr<CalibrationSet> LoadArray(const FloatGraph& graph, const QuantizeOptions& options) {
  const ir::Shape& shape = graph.shape(graph.input);
  MSQ_ASSIGN_OR_RETURN(const media::Array array, ReadArray(options.calibration_path));
  const int64_t per_sample = ir::ElementCount(shape);
  const int64_t count = array.shape.empty() ? 0 : array.shape[0];
  if (count < 1 || array.ElementCount() != count * per_sample) {
    return InvalidArgument("--calibration: '", options.calibration_path, "' has shape ", ir::ToString(array.shape),
                           ", which is no batch of ", ir::ToString(shape));
  }
  const bool pixels = array.type == media::ArrayType::kUint8;
  const ir::Shape sample_shape(array.shape.begin() + 1, array.shape.end());
  const bool channels_last =
      shape.size() == 3 && sample_shape == ir::Shape{shape[1], shape[2], shape[0]} && (pixels || sample_shape != shape);
  CalibrationSet set;
  set.pixels = pixels;
  const int64_t plane = shape.size() == 3 ? shape[1] * shape[2] : 1, channels = per_sample / plane;
  for (int64_t pick : Spread(count, options.calibration_samples)) {
    FloatTensor sample(static_cast<size_t>(per_sample));
    for (int64_t i = 0; i < per_sample; ++i) {
      const int64_t c = i / plane, at = channels_last ? i % plane * channels + c : i;
      const float value = array.FloatAt(pick * per_sample + at);
      sample[i] = pixels ? Normalise(options, value, c) : value;
    }
    if (!AllModerate(sample)) {
      return InvalidArgument("--calibration: sample ", pick, " of '", options.calibration_path,
                             "' holds NaN, infinity or numbers beyond ", kLargestModerate);
    }
    set.samples.push_back(std::move(sample));
  }
  return set;
}

}  // namespace

FloatTensor FromPicture(const ir::Shape& shape, const QuantizeOptions& options, const media::Image& picture) {
  const media::Image fit = media::FitTo(picture, static_cast<int>(shape[2]), static_cast<int>(shape[1]));
  FloatTensor sample;
  for (int64_t c = 0; c < shape[0]; ++c) {
    for (int64_t i = 0; i < shape[1] * shape[2]; ++i) {
      sample.push_back(Normalise(options, fit.pixels[i * shape[0] + c], c));
    }
  }
  return sample;
}

absl::StatusOr<CalibrationSet> LoadCalibration(const FloatGraph& graph, const QuantizeOptions& options) {
  std::error_code error;
  const bool folder = std::filesystem::is_directory(options.calibration_path, error);
  return folder ? LoadFolder(graph, options) : LoadArray(graph, options);
}

}  // namespace msq::quantizer

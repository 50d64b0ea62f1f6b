#include "clients/msq/model_feed.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>
#include <numeric>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "media/npy.h"

namespace msq::client {
namespace {

using inference::ModelInput;

int64_t Product(const google::protobuf::RepeatedField<int64_t>& dims) {
  return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<int64_t>());
}

// The next element of a BYTES tensor, taken off `*rest`.
absl::StatusOr<std::string_view> TakeElement(std::string_view* rest) {
  uint32_t size = 0;
  if (rest->size() < 4) return DataLoss("the server's answer is cut short");
  std::memcpy(&size, rest->data(), 4);
  rest->remove_prefix(4);
  if (rest->size() < size) return DataLoss("the server's answer is cut short");
  const std::string_view element = rest->substr(0, size);
  rest->remove_prefix(size);
  return element;
}

// "value:index[:label]"
absl::StatusOr<Class> ParseClass(std::string_view text) {
  Class result;
  const char* end = text.data() + text.size();
  const auto value = std::from_chars(text.data(), end, result.score);
  if (value.ec == std::errc() && value.ptr != end && *value.ptr == ':') {
    const auto index = std::from_chars(value.ptr + 1, end, result.index);
    if (index.ec == std::errc() && (index.ptr == end || *index.ptr == ':')) {
      if (index.ptr != end) result.label.assign(index.ptr + 1, end);
      return result;
    }
  }
  return DataLoss("the server's answer holds '", std::string(text), "', which is no class");
}

std::string_view Datatype(media::ArrayType type) {
  switch (type) {
    case media::ArrayType::kUint8:
      return "UINT8";
    case media::ArrayType::kFloat32:
      return "FP32";
    default:
      return "";
  }
}

}  // namespace

absl::StatusOr<ModelFeed> ModelFeed::Create(Client* client, const std::string& model) {
  ModelFeed feed;
  MSQ_ASSIGN_OR_RETURN(feed.config_, client->ModelConfig(model));
  if (feed.config_.input_size() != 1 || feed.config_.output_size() < 1) {
    return Unimplemented("model '", model, "' has ", feed.config_.input_size(), " inputs; this command feeds one");
  }
  return feed;
}

int64_t ModelFeed::class_count() const {
  return Product(config_.output(0).dims());
}

absl::StatusOr<int> ModelFeed::PictureChannels() const {
  const auto& dims = input().dims();
  if (input().data_type() == inference::TYPE_UINT8 && dims.size() == 3) {
    const int64_t channels = input().format() == ModelInput::FORMAT_NHWC ? dims[2] : dims[0];
    if (channels == 1 || channels == 3) return static_cast<int>(channels);
  }
  return InvalidArgument("model '", model(), "' takes no pictures but values of shape [", absl::StrJoin(dims, ","),
                         "]; give a .npy file");
}

Sample ModelFeed::FromPicture(const std::string& name, const media::Image& picture) const {
  const auto& dims = input().dims();
  const bool nhwc = input().format() == ModelInput::FORMAT_NHWC;
  const auto height = static_cast<int>(dims[nhwc ? 0 : 1]), width = static_cast<int>(dims[nhwc ? 1 : 2]);
  const media::Image fitted = media::FitTo(picture, width, height);
  Sample sample{name, "UINT8", std::string(fitted.pixels.begin(), fitted.pixels.end())};
  if (nhwc || fitted.channels == 1) return sample;
  const size_t plane = static_cast<size_t>(width) * static_cast<size_t>(height);
  const auto channels = static_cast<size_t>(fitted.channels);
  for (size_t i = 0; i < plane * channels; ++i) {
    sample.bytes[i % channels * plane + i / channels] = static_cast<char>(fitted.pixels[i]);
  }
  return sample;
}

absl::StatusOr<std::vector<Sample>> ModelFeed::FromFile(const std::string& path) const {
  if (absl::EndsWithIgnoreCase(path, ".npy")) return FromArray(path);
  MSQ_ASSIGN_OR_RETURN(const int channels, PictureChannels());
  MSQ_ASSIGN_OR_RETURN(const media::Image picture, media::ReadImage(path, channels));
  return std::vector<Sample>{FromPicture(path, picture)};
}

absl::StatusOr<std::vector<Sample>> ModelFeed::FromArray(const std::string& path) const {
  MSQ_ASSIGN_OR_RETURN(const media::Array array, media::ReadNpy(path));
  const std::string datatype(Datatype(array.type));
  if (datatype.empty()) return InvalidArgument(path, ": elements must be uint8 or float32");
  const std::vector<int64_t> dims(input().dims().begin(), input().dims().end());
  const bool one = array.shape == dims;
  const bool many = array.shape.size() == dims.size() + 1 && array.shape[0] > 0 &&
                    std::equal(dims.begin(), dims.end(), array.shape.begin() + 1);
  if (!one && !many) {
    return InvalidArgument(path, ": shape [", absl::StrJoin(array.shape, ","), "] does not fit the model's [",
                           absl::StrJoin(dims, ","), "]");
  }
  const auto count = one ? size_t{1} : static_cast<size_t>(array.shape[0]);
  const size_t size = array.bytes.size() / count;
  std::vector<Sample> samples;
  for (size_t i = 0; i < count; ++i) {
    std::string name = one ? path : absl::StrCat(path, "[", i, "]");
    samples.push_back({std::move(name), datatype, array.bytes.substr(i * size, size)});
  }
  return samples;
}

inference::ModelInferRequest ModelFeed::MakeRequest(std::span<const Sample> samples, int64_t top_k,
                                                    const std::string& backend) const {
  inference::ModelInferRequest request;
  request.set_model_name(model());
  if (!backend.empty()) (*request.mutable_parameters())["backend"].set_string_param(backend);
  auto* tensor = request.add_inputs();
  tensor->set_name(input().name());
  tensor->set_datatype(samples[0].datatype);
  if (config_.max_batch_size() > 0) tensor->add_shape(static_cast<int64_t>(samples.size()));
  tensor->mutable_shape()->MergeFrom(input().dims());
  std::string* raw = request.add_raw_input_contents();
  for (const Sample& sample : samples) raw->append(sample.bytes);
  auto* output = request.add_outputs();
  output->set_name(config_.output(0).name());
  (*output->mutable_parameters())["classification"].set_int64_param(top_k);
  return request;
}

absl::StatusOr<std::vector<std::vector<Class>>> ModelFeed::ParseClasses(const inference::ModelInferResponse& response,
                                                                        size_t batch) {
  if (response.raw_output_contents_size() != 1) return DataLoss("the server's answer has no classes");
  std::string_view rest = response.raw_output_contents(0);
  std::vector<Class> all;
  while (!rest.empty()) {
    MSQ_ASSIGN_OR_RETURN(const std::string_view element, TakeElement(&rest));
    MSQ_ASSIGN_OR_RETURN(Class one, ParseClass(element));
    all.push_back(std::move(one));
  }
  if (all.empty() || all.size() % batch != 0) return DataLoss("the server's answer has ", all.size(), " classes");
  const size_t k = all.size() / batch;
  std::vector<std::vector<Class>> result;
  for (size_t i = 0; i < all.size(); i += k) result.emplace_back(all.begin() + i, all.begin() + i + k);
  return result;
}

}  // namespace msq::client

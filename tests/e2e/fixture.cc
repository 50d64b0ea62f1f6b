// Writes what the end-to-end test serves and compares with: a model repository, damaged artifacts, pictures, and the
// answers that model/reference gives. Usage: e2e-fixture FOLDER
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "media/image.h"
#include "media/npy.h"
#include "model/format/artifact.h"
#include "model/numerics/edge.h"
#include "model/reference/interpreter.h"
#include "model/testing/sample_model.h"

namespace {

namespace fs = std::filesystem;
using msq::ir::Model;

constexpr int64_t kSamples = 9;  // more than one batch of the model whose max_batch_size is 4
constexpr int64_t kChannels = 3, kSize = 8, kClasses = 10;

void WriteText(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

void WriteArray(const fs::path& path, msq::media::ArrayType type, std::vector<int64_t> shape, std::string bytes) {
  msq::media::Array array;
  array.type = type;
  array.shape = std::move(shape);
  array.bytes = std::move(bytes);
  WriteText(path, msq::media::SerializeNpy(array));
}

void WriteModel(const fs::path& path, const Model& model) {
  const auto bytes = msq::format::Serialize(model);
  MSQ_CHECK(bytes.ok());
  WriteText(path, *bytes);
}

// Pixels [N,C,H,W] of every picture.
std::string RandomPixels() {
  std::minstd_rand random(7);
  std::string pixels(kSamples * kChannels * kSize * kSize, '\0');
  for (char& pixel : pixels) pixel = static_cast<char>(random() >> 8);
  return pixels;
}

// The reference's answer to one picture, from the definition of the input: (value / range - mean) / std.
std::vector<float> Logits(const Model& model, const std::string& pixels, int64_t sample) {
  const msq::ir::InputDescription& input = model.inputs[0];
  const msq::ir::TensorType& type = model.graph.tensors[static_cast<size_t>(model.graph.inputs[0])].type;
  const size_t elements = static_cast<size_t>(msq::ir::ElementCount(type.shape));
  const size_t plane = elements / kChannels;
  msq::reference::Values codes;
  for (size_t i = 0; i < elements; ++i) {
    const auto value = static_cast<uint8_t>(pixels[static_cast<size_t>(sample) * elements + i]);
    const size_t c = i / plane;
    const float real = (static_cast<float>(value) / input.value_range - input.mean[c]) / input.stddev[c];
    codes.push_back(msq::numerics::QuantizeReal(real, type.scale, type.zero_point, type.bits));
  }
  const auto outputs = msq::reference::Run(model.graph, std::vector<msq::reference::Values>{codes});
  MSQ_CHECK(outputs.ok());
  const msq::ir::TensorType& logits = model.graph.tensors[static_cast<size_t>(model.graph.outputs[0])].type;
  std::vector<float> result;
  for (size_t i = 0; i < kClasses; ++i) {
    result.push_back(msq::numerics::DequantizeAccumulator((*outputs)[0][i], logits.row_scales[i]));
  }
  return result;
}

void WritePicture(const fs::path& path, const std::string& pixels, int64_t sample) {
  msq::media::Image image;
  image.width = image.height = kSize;
  image.channels = kChannels;
  const int64_t plane = kSize * kSize;
  for (int64_t i = 0; i < plane * kChannels; ++i) {
    const int64_t at = sample * plane * kChannels + i % kChannels * plane + i / kChannels;
    image.pixels.push_back(static_cast<uint8_t>(pixels[static_cast<size_t>(at)]));
  }
  WriteText(path, msq::media::EncodePng(image));
}

// The same network fed with real numbers in the graph's own layout.
Model PlainModel(Model model) {
  model.inputs[0] = {};
  model.outputs[0].labels.clear();
  return model;
}

// Every header byte flipped, and cuts spread over the whole file.
void WriteDamaged(const fs::path& folder, const std::string& bytes) {
  for (size_t i = 0; i < msq::format::kHeaderBytes; ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    WriteText(folder / ("flip_" + std::to_string(i)) / "1" / "model.msq", damaged);
  }
  for (size_t i = 0; i < 16; ++i) {
    WriteText(folder / ("cut_" + std::to_string(i)) / "1" / "model.msq", bytes.substr(0, bytes.size() * i / 16));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: e2e-fixture FOLDER\n"), 2;
  const fs::path folder = argv[1];
  const Model model = msq::testing::SampleModel();
  Model interleaved = model;
  interleaved.inputs[0].layout = msq::ir::InputDescription::Layout::kNhwc;
  WriteModel(folder / "repository" / "sample" / "1" / "model.msq", model);
  WriteModel(folder / "repository" / "nhwc" / "3" / "model.msq", interleaved);
  WriteText(folder / "repository" / "nhwc" / "config.pbtxt", "name: \"nhwc\"\nmax_batch_size: 4\nno_such_field: 1\n");
  WriteModel(folder / "repository" / "plain" / "1" / "model.msq", PlainModel(model));
  WriteText(folder / "repository" / "plain" / "config.pbtxt", "max_batch_size: 0\n");
  WriteDamaged(folder / "damaged", *msq::format::Serialize(model));

  const std::string pixels = RandomPixels();
  WriteArray(folder / "pixels.npy", msq::media::ArrayType::kUint8, {kSamples, kChannels, kSize, kSize}, pixels);
  std::string expected, labels = "file,class\n";
  for (int64_t i = 0; i < kSamples; ++i) {
    const std::vector<float> logits = Logits(model, pixels, i);
    expected.append(reinterpret_cast<const char*>(logits.data()), logits.size() * sizeof(float));
    const std::string name = "picture_" + std::to_string(i) + ".png";
    WritePicture(folder / "pictures" / name, pixels, i);
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    labels += name + "," + model.outputs[0].labels[static_cast<size_t>(best)] + "\n";
  }
  WriteArray(folder / "logits.npy", msq::media::ArrayType::kFloat32, {kSamples, kClasses}, expected);
  WriteText(folder / "pictures" / "labels.csv", labels);
  return 0;
}

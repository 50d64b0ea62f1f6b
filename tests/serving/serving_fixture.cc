// Writes what the serving benchmark serves and sends: a model repository, and one serialized ModelInferRequest a model.
//
//   serving-fixture FOLDER   FOLDER/repository/MODEL/{config.pbtxt,1/model.msq}, FOLDER/MODEL.request
//
// free_* take 1 KB and 150 KB of 8-bit codes that equal the bytes of the request, and answer the first ten: next to
// nothing is computed. small_* are one small network with and without dynamic batching. heavy takes milliseconds, large tens of them.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <utility>

#include "backends/testing/synthetic_networks.h"
#include "base/check.h"
#include "model/format/artifact.h"
#include "proto/inference.pb.h"

namespace {

namespace fs = std::filesystem;
using msq::ir::Model;

void WriteText(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  MSQ_CHECK(file.good());
}

msq::ir::TensorType Bytes(int64_t count) {
  msq::ir::TensorType type;
  type.shape = {count};
  type.bits = 8;
  return type;
}

// One dimension, so that no backend has to turn the layout.
Model NearlyFree(int64_t bytes) {
  constexpr int64_t kOutputs = 10;
  Model model;
  msq::ir::Graph& graph = model.graph;
  graph.name = "nearly_free";
  graph.tensors = {{"data", Bytes(bytes)}, {"first", Bytes(kOutputs)}};
  graph.nodes = {{"slice", msq::ir::Slice{{0}, {kOutputs}, {1}}, {0}, 1}};
  graph.inputs = {0};
  graph.outputs = {1};
  model.inputs.resize(1);
  model.outputs.resize(1);
  return model;
}

// A network for pictures of three channels.
Model ForPixels(msq::ir::Graph graph) {
  Model model;
  model.graph = std::move(graph);
  msq::ir::InputDescription pixels;
  pixels.value_range = 255;
  pixels.mean = {0.485f, 0.456f, 0.406f};
  pixels.stddev = {0.229f, 0.224f, 0.225f};
  model.inputs = {pixels};
  model.outputs.resize(1);
  return model;
}

std::string RandomBytes(int64_t size) {
  std::minstd_rand random(5);
  std::string bytes(static_cast<size_t>(size), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() >> 8);
  return bytes;
}

// `config` is the text of config.pbtxt; max_batch_size 0 leaves the batch dimension out.
void WriteModel(const fs::path& folder, const std::string& name, const Model& model, const std::string& config) {
  const auto bytes = msq::format::Serialize(model);
  MSQ_CHECK(bytes.ok());
  WriteText(folder / "repository" / name / "1" / "model.msq", *bytes);
  WriteText(folder / "repository" / name / "config.pbtxt", config);

  const msq::ir::Tensor& input = model.graph.tensors[static_cast<size_t>(model.graph.inputs[0])];
  inference::ModelInferRequest request;
  request.set_model_name(name);
  inference::ModelInferRequest::InferInputTensor* tensor = request.add_inputs();
  tensor->set_name(input.name);
  tensor->set_datatype("UINT8");
  if (config.find("max_batch_size: 0") == std::string::npos) tensor->add_shape(1);
  tensor->mutable_shape()->Add(input.type.shape.begin(), input.type.shape.end());
  request.add_raw_input_contents(RandomBytes(input.type.ByteSize()));
  WriteText(folder / (name + ".request"), request.SerializeAsString());
}

std::string Instances(int count) {
  return "instance_group { count: " + std::to_string(count) + " kind: KIND_CPU }\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: serving-fixture FOLDER\n"), 2;
  const fs::path folder = argv[1];
  for (const auto& [name, bytes] : {std::pair{"free_1kb", 1024}, std::pair{"free_150kb", 3 * 224 * 224}}) {
    WriteModel(folder, name, NearlyFree(bytes), "max_batch_size: 0\n" + Instances(2));
  }
  Model small;  // of dense layers, whose weights one reading serves a whole batch
  small.graph = msq::testing::Perceptron();
  small.inputs.resize(1);
  small.outputs.resize(1);
  for (int count : {1, 2}) {
    const std::string suffix = "_x" + std::to_string(count);
    WriteModel(folder, "small_unbatched" + suffix, small, "max_batch_size: 16\n" + Instances(count));
    WriteModel(folder, "small_batched" + suffix, small,
               "max_batch_size: 16\n" + Instances(count) +
                   "dynamic_batching { preferred_batch_size: [ 8, 16 ] max_queue_delay_microseconds: 500 }\n");
  }
  // max_queue_size keeps what waits well under the time that a client would wait; batches are small, so that a run of
  // seconds is not a handful of them.
  const std::string overloaded = "max_batch_size: 4\n" + Instances(2) +
                                 "dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 500\n"
                                 "  default_queue_policy { max_queue_size: 64 } }\n";
  WriteModel(folder, "heavy", ForPixels(msq::testing::ResNetCifar(50)), overloaded);
  WriteModel(folder, "large", ForPixels(msq::testing::ResNet18()), overloaded);
  return 0;
}

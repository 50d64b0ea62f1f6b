// Writes the network that the examples for images know as densenet_onnx: input data_0 [3,224,224], output fc6_1 [10],
// its labels "class 0" and so on. Usage: compat-image-model FILE
#include <cstdio>
#include <fstream>

#include "base/check.h"
#include "model/format/artifact.h"
#include "model/testing/sample_model.h"

namespace {

using msq::ir::Shape;
using msq::ir::TensorId;
using msq::ir::TensorType;
using msq::testing::PatternWeights;
using msq::testing::UniformRequantizer;

TensorId Tensor(msq::ir::Graph* graph, std::string name, Shape shape) {
  TensorType type;
  type.shape = std::move(shape);
  type.bits = 8;
  type.scale = 1.0f / 64;
  type.zero_point = 128;
  graph->tensors.push_back({std::move(name), std::move(type)});
  return static_cast<TensorId>(graph->tensors.size() - 1);
}

msq::ir::Model ImageModel() {
  constexpr int64_t kClasses = 10, kChannels = 8, kPatch = 16, kPatches = 224 / kPatch;
  msq::ir::Model model;
  msq::ir::Graph& graph = model.graph;
  graph.name = "densenet_onnx";
  const auto node = [&graph](msq::ir::Op op, TensorId input, TensorId output) {
    std::string name = graph.tensors[static_cast<size_t>(output)].name;
    graph.nodes.push_back({std::move(name), std::move(op), {input}, output});
    return output;
  };
  const TensorId image = Tensor(&graph, "data_0", {3, 224, 224});
  const msq::ir::Window patches = {{kPatch, kPatch}, {kPatch, kPatch}, {0, 0, 0, 0}, {1, 1}};
  TensorId x =
      node(msq::ir::Conv{patches, 1, PatternWeights(kChannels, 3 * kPatch * kPatch, {msq::ir::Scheme::kSp2}, 1),
                         UniformRequantizer(kChannels, 0.0005, 128)},
           image, Tensor(&graph, "patches", {kChannels, kPatches, kPatches}));
  x = node(msq::ir::GlobalAveragePool{UniformRequantizer(1, 1.0 / (kPatches * kPatches), 128)}, x,
           Tensor(&graph, "average", {kChannels, 1, 1}));
  x = node(msq::ir::Reshape{}, x, Tensor(&graph, "flat", {kChannels}));
  const TensorId logits = Tensor(&graph, "fc6_1", {kClasses});
  TensorType& type = graph.tensors[static_cast<size_t>(logits)].type;
  type = {};
  type.kind = TensorType::Kind::kAccumulator;
  type.shape = {kClasses};
  type.row_scales.assign(kClasses, 0.001f);
  msq::ir::RawOutput raw;
  raw.biases.assign(kClasses, 0);
  node(msq::ir::Dense{PatternWeights(kClasses, kChannels, {msq::ir::Scheme::kFixed4}, 2), raw}, x, logits);
  graph.inputs = {image};
  graph.outputs = {logits};
  model.inputs = {{}};  // real numbers: the clients scale the pixels
  model.outputs.emplace_back();
  for (int i = 0; i < kClasses; ++i) model.outputs[0].labels.push_back("class " + std::to_string(i));
  model.provenance.producer = "compatibility";
  return model;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: compat-image-model FILE\n"), 2;
  const auto bytes = msq::format::Serialize(ImageModel());
  if (!bytes.ok()) return std::fprintf(stderr, "%s\n", bytes.status().ToString().c_str()), 1;
  std::ofstream file(argv[1], std::ios::binary);
  file << *bytes;
  return file.good() ? 0 : 1;
}

// Untrusted .msq bytes -> model. Memory stays within a small multiple of the file's size.
#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>

#include <google/protobuf/io/coded_stream.h>
#include <zlib.h>

#include "base/status.h"
#include "model/format/artifact.h"
#include "model/ir/shape_inference.h"
#include "model/ir/verifier.h"
#include "proto/artifact.pb.h"

namespace msq::format {
namespace {

// Of one kind in one graph; the verifier's own limits are lower.
constexpr int kMaxMessages = 1 << 16;
// A codec makes a table a channel for pixels and for interleaved channels.
constexpr int64_t kMaxPixelChannels = 1024;

template <typename T>
T GetLittleEndian(std::string_view bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  return value;
}

// The payload inside an intact file.
absl::StatusOr<std::string_view> CheckHeader(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) {
    return DataLoss("header: file has ", bytes.size(), " bytes, the header alone has ", kHeaderBytes);
  }
  if (bytes.substr(0, kMagic.size()) != kMagic) return DataLoss("header.magic: this is no .msq artifact");
  const auto version = GetLittleEndian<uint32_t>(bytes.substr(8));
  if (version != kFormatVersion) {
    return DataLoss("header.version: format ", version, " is not supported, this program reads ", kFormatVersion);
  }
  const auto crc = GetLittleEndian<uint32_t>(bytes.substr(12));
  const auto size = GetLittleEndian<uint64_t>(bytes.substr(16));
  const std::string_view payload = bytes.substr(kHeaderBytes);
  if (size != payload.size()) {
    return DataLoss("header.payload_bytes: ", size, " announced, ", payload.size(),
                    " there: the file is truncated or longer");
  }
  if (crc != crc32_z(0, reinterpret_cast<const Bytef*>(payload.data()), payload.size())) {
    return DataLoss("header.crc32: the payload is damaged");
  }
  return payload;
}

template <typename T, size_t N, typename Repeated>
absl::StatusOr<std::array<T, N>> Array(std::string_view what, const Repeated& repeated) {
  if (repeated.size() != static_cast<int>(N)) {
    return InvalidArgument(absl::string_view(what.data(), what.size()), ": has ", repeated.size(),
                           " entries, expected ", N);
  }
  std::array<T, N> result;
  std::copy(repeated.begin(), repeated.end(), result.begin());
  return result;
}

template <typename Repeated>
auto Vector(const Repeated& repeated) {
  return std::vector<typename Repeated::value_type>(repeated.begin(), repeated.end());
}

std::vector<uint8_t> ByteVector(const std::string& bytes) {
  return {bytes.begin(), bytes.end()};
}

// The decoded row, or the first code that stands for no value.
absl::Status DecodeRow(ir::Scheme scheme, std::span<const int8_t> codebook, std::string_view codes, int8_t* values,
                       size_t count) {
  std::array<std::optional<int8_t>, 256> value_of = {};
  for (int code = 0; code < (1 << numerics::CodeBits(scheme)); ++code) {
    value_of[static_cast<size_t>(code)] = numerics::DecodeWeight(scheme, static_cast<uint8_t>(code), codebook);
  }
  const bool nibbles = numerics::CodeBits(scheme) == 4;
  for (size_t k = 0; k < count; ++k) {
    const auto byte = static_cast<uint8_t>(codes[nibbles ? k / 2 : k]);
    const size_t code = !nibbles ? byte : k % 2 == 0 ? byte & 15 : byte >> 4;
    if (!value_of[code]) return InvalidArgument("code ", code, " at column ", k, " is not canonical (N6)");
    values[k] = *value_of[code];
  }
  if (nibbles && count % 2 != 0 && static_cast<uint8_t>(codes[count / 2]) >> 4 != 0) {
    return InvalidArgument("the padding nibble is not zero");
  }
  return absl::OkStatus();
}

absl::StatusOr<ir::Weights> Decode(const artifact::Weights& message) {
  ir::Weights weights;
  weights.rows = message.rows();
  weights.row_length = message.row_length();
  if (weights.rows < 1 || weights.rows > ir::kMaxDimension || weights.row_length < 1 ||
      weights.row_length > ir::kMaxElements || message.schemes().size() != static_cast<size_t>(weights.rows)) {
    return InvalidArgument("weights: ", message.schemes().size(), " schemes for ", weights.rows, " rows of ",
                           weights.row_length);
  }
  const auto rows = static_cast<size_t>(weights.rows), row_length = static_cast<size_t>(weights.row_length);
  size_t expected = 0;
  for (char scheme : message.schemes()) {
    if (static_cast<uint8_t>(scheme) >= numerics::kSchemeCount) {
      return InvalidArgument("weights.schemes: unknown scheme ", int{static_cast<uint8_t>(scheme)});
    }
    weights.schemes.push_back(static_cast<ir::Scheme>(scheme));
    expected += numerics::CodeBits(weights.schemes.back()) == 8 ? row_length : (row_length + 1) / 2;
  }
  if (message.codes().size() != expected) {
    return InvalidArgument("weights.codes: ", message.codes().size(), " bytes, expected ", expected);
  }
  if (message.codebooks().size() % 16 != 0) return InvalidArgument("weights.codebooks: not a multiple of 16 bytes");
  for (size_t i = 0; i < message.codebooks().size(); i += 16) {
    auto& book = weights.codebooks.emplace_back();
    std::copy_n(message.codebooks().begin() + static_cast<std::ptrdiff_t>(i), 16, book.begin());
  }
  weights.codebook_of_row = Vector(message.codebook_of_row());
  weights.alphas = Vector(message.alphas());
  weights.values.resize(rows * row_length);
  size_t offset = 0;
  for (size_t row = 0; row < rows; ++row) {
    std::span<const int8_t> codebook;
    if (weights.schemes[row] == ir::Scheme::kCodebook4) {
      const int64_t book = row < weights.codebook_of_row.size() ? weights.codebook_of_row[row] : -1;
      if (book < 0 || static_cast<size_t>(book) >= weights.codebooks.size()) {
        return InvalidArgument("weights.codebook_of_row[", row, "]: there is no such codebook");
      }
      codebook = weights.codebooks[static_cast<size_t>(book)];
    }
    const size_t bytes = numerics::CodeBits(weights.schemes[row]) == 8 ? row_length : (row_length + 1) / 2;
    MSQ_RETURN_IF_ERROR(
        WithContext(DecodeRow(weights.schemes[row], codebook, std::string_view(message.codes()).substr(offset, bytes),
                              &weights.values[row * row_length], row_length),
                    "weights.codes row ", row));
    offset += bytes;
  }
  return weights;
}

ir::Requantizer Decode(const artifact::Requantizer& message) {
  ir::Requantizer requantizer;
  requantizer.multipliers = Vector(message.multipliers());
  requantizer.addends = Vector(message.addends());
  requantizer.shifts = ByteVector(message.shifts());
  requantizer.skip_multipliers = Vector(message.skip_multipliers());
  if (message.has_leaky()) {
    requantizer.leaky = {Vector(message.leaky().thresholds()), Vector(message.leaky().multipliers()),
                         Vector(message.leaky().addends())};
  }
  return requantizer;
}

absl::StatusOr<ir::Window> Decode(const artifact::Window& message) {
  ir::Window window;
  MSQ_ASSIGN_OR_RETURN(window.kernel, (Array<int64_t, 2>("window.kernel", message.kernel())));
  MSQ_ASSIGN_OR_RETURN(window.strides, (Array<int64_t, 2>("window.strides", message.strides())));
  MSQ_ASSIGN_OR_RETURN(window.pads, (Array<int64_t, 4>("window.pads", message.pads())));
  MSQ_ASSIGN_OR_RETURN(window.dilations, (Array<int64_t, 2>("window.dilations", message.dilations())));
  return window;
}

template <typename Message>
absl::StatusOr<ir::Epilogue> DecodeEpilogue(const Message& message) {
  if (message.has_requantizer()) return ir::Epilogue(Decode(message.requantizer()));
  if (message.has_raw_output()) return ir::Epilogue(ir::RawOutput{Vector(message.raw_output().biases())});
  return InvalidArgument("epilogue: is missing");
}

absl::StatusOr<ir::Op> DecodeRecurrent(const artifact::Recurrent& message) {
  if (message.cell() > artifact::Recurrent::GRU || message.direction() > artifact::Recurrent::BIDIRECTIONAL ||
      message.cell() < 0 || message.direction() < 0) {
    return InvalidArgument("recurrent: unknown cell or direction");
  }
  ir::Recurrent op;
  op.cell = static_cast<ir::Recurrent::Cell>(message.cell());
  op.direction = static_cast<ir::Recurrent::Direction>(message.direction());
  op.hidden_size = message.hidden_size();
  op.linear_before_reset = message.linear_before_reset();
  MSQ_ASSIGN_OR_RETURN(op.input_weights, Decode(message.input_weights()));
  MSQ_ASSIGN_OR_RETURN(op.recurrent_weights, Decode(message.recurrent_weights()));
  op.biases = Vector(message.biases());
  op.cell_fraction_bits = message.cell_fraction_bits();
  return ir::Op(std::move(op));
}

absl::StatusOr<ir::Op> DecodeOp(const artifact::Node& node) {
  switch (node.op_case()) {
    case artifact::Node::kConv: {
      ir::Conv op;
      MSQ_ASSIGN_OR_RETURN(op.window, Decode(node.conv().window()));
      op.groups = node.conv().groups();
      MSQ_ASSIGN_OR_RETURN(op.weights, Decode(node.conv().weights()));
      MSQ_ASSIGN_OR_RETURN(op.epilogue, DecodeEpilogue(node.conv()));
      return ir::Op(std::move(op));
    }
    case artifact::Node::kDense: {
      ir::Dense op;
      MSQ_ASSIGN_OR_RETURN(op.weights, Decode(node.dense().weights()));
      MSQ_ASSIGN_OR_RETURN(op.epilogue, DecodeEpilogue(node.dense()));
      return ir::Op(std::move(op));
    }
    case artifact::Node::kAdd:
      return ir::Op(ir::Add{Decode(node.add().requantizer())});
    case artifact::Node::kRescale:
      return ir::Op(ir::Rescale{Decode(node.rescale().requantizer())});
    case artifact::Node::kMaxPool: {
      MSQ_ASSIGN_OR_RETURN(const ir::Window window, Decode(node.max_pool().window()));
      return ir::Op(ir::MaxPool{window});
    }
    case artifact::Node::kAveragePool: {
      MSQ_ASSIGN_OR_RETURN(const ir::Window window, Decode(node.average_pool().window()));
      return ir::Op(
          ir::AveragePool{window, node.average_pool().count_include_pad(), Decode(node.average_pool().requantizer())});
    }
    case artifact::Node::kGlobalAveragePool:
      return ir::Op(ir::GlobalAveragePool{Decode(node.global_average_pool().requantizer())});
    case artifact::Node::kConcat:
      return ir::Op(ir::Concat{node.concat().axis()});
    case artifact::Node::kResizeNearest: {
      ir::ResizeNearest op;
      MSQ_ASSIGN_OR_RETURN(op.factors, (Array<int64_t, 2>("resize_nearest.factors", node.resize_nearest().factors())));
      return ir::Op(op);
    }
    case artifact::Node::kReshape:
      return ir::Op(ir::Reshape{});
    case artifact::Node::kPad:
      return ir::Op(ir::Pad{Vector(node.pad().before()), Vector(node.pad().after())});
    case artifact::Node::kSlice:
      return ir::Op(
          ir::Slice{Vector(node.slice().starts()), Vector(node.slice().ends()), Vector(node.slice().steps())});
    case artifact::Node::kRecurrent:
      return DecodeRecurrent(node.recurrent());
    case artifact::Node::OP_NOT_SET:
      break;
  }
  return InvalidArgument("op: is missing or unknown");
}

absl::StatusOr<ir::Graph> Decode(const artifact::Graph& message) {
  if (message.tensors_size() > kMaxMessages || message.nodes_size() > kMaxMessages) {
    return InvalidArgument("graph: ", message.tensors_size(), " tensors and ", message.nodes_size(),
                           " nodes are too many");
  }
  ir::Graph graph;
  graph.name = message.name();
  for (const artifact::Tensor& tensor : message.tensors()) {
    if (tensor.kind() != artifact::Tensor::CODE && tensor.kind() != artifact::Tensor::ACCUMULATOR) {
      return InvalidArgument("graph.tensors[", graph.tensors.size(), "].kind: unknown");
    }
    ir::TensorType type;
    type.kind = static_cast<ir::TensorType::Kind>(tensor.kind());
    type.shape = Vector(tensor.shape());
    if (type.kind == ir::TensorType::Kind::kCode) {
      type.bits = static_cast<int>(tensor.bits());
      type.scale = tensor.scale();
      type.zero_point = static_cast<int>(tensor.zero_point());
    }
    type.row_scales = Vector(tensor.row_scales());
    graph.tensors.push_back({tensor.name(), std::move(type)});
  }
  for (const artifact::Node& node : message.nodes()) {
    absl::StatusOr<ir::Op> op = DecodeOp(node);
    if (!op.ok()) return WithContext(op.status(), "graph.nodes[", graph.nodes.size(), "] '", node.name(), "'");
    graph.nodes.push_back({node.name(), *std::move(op), Vector(node.inputs()), node.output()});
  }
  graph.inputs = Vector(message.inputs());
  graph.outputs = Vector(message.outputs());
  return graph;
}

absl::StatusOr<ir::InputDescription> Decode(const artifact::InputDescription& message, const ir::Shape& shape) {
  ir::InputDescription input;
  if (message.layout() != artifact::InputDescription::AS_GRAPH &&
      message.layout() != artifact::InputDescription::NHWC) {
    return InvalidArgument("layout: unknown");
  }
  input.layout = static_cast<ir::InputDescription::Layout>(message.layout());
  if (input.layout == ir::InputDescription::Layout::kNhwc && shape.size() != 3) {
    return InvalidArgument("layout: NHWC needs an image, the input is ", ir::ToString(shape));
  }
  if (shape[0] > kMaxPixelChannels &&
      (message.mean_size() > 0 || input.layout != ir::InputDescription::Layout::kAsGraph)) {
    return InvalidArgument("an image input of ", shape[0], " channels, over ", kMaxPixelChannels);
  }
  input.value_range = message.value_range();
  input.mean = Vector(message.mean());
  input.stddev = Vector(message.stddev());
  const auto channels = static_cast<size_t>(shape[0]);
  if (input.mean.size() != input.stddev.size() || (input.is_image() && input.mean.size() != channels)) {
    return InvalidArgument("mean and stddev: ", input.mean.size(), " and ", input.stddev.size(), " entries for ",
                           channels, " channels");
  }
  const auto positive = [](float value) { return std::isnormal(value) && value > 0; };
  if (!positive(input.value_range) || !std::all_of(input.stddev.begin(), input.stddev.end(), positive) ||
      !std::all_of(input.mean.begin(), input.mean.end(), [](float value) { return std::isfinite(value); })) {
    return InvalidArgument("value_range, mean or stddev: not finite, or not positive");
  }
  return input;
}

absl::Status DecodeDescriptions(const artifact::Artifact& message, ir::Model* model) {
  const ir::Graph& graph = model->graph;
  const auto shape_of = [&](ir::TensorId id) -> const ir::Shape& {
    return graph.tensors[static_cast<size_t>(id)].type.shape;
  };
  if (message.inputs_size() != static_cast<int>(graph.inputs.size()) ||
      message.outputs_size() != static_cast<int>(graph.outputs.size())) {
    return InvalidArgument("inputs and outputs: ", message.inputs_size(), " and ", message.outputs_size(),
                           " descriptions for ", graph.inputs.size(), " and ", graph.outputs.size());
  }
  for (int i = 0; i < message.inputs_size(); ++i) {
    auto input = Decode(message.inputs(i), shape_of(graph.inputs[static_cast<size_t>(i)]));
    if (!input.ok()) return WithContext(input.status(), "inputs[", i, "]");
    model->inputs.push_back(*std::move(input));
  }
  for (int i = 0; i < message.outputs_size(); ++i) {
    const auto& labels = message.outputs(i).labels();
    const int64_t classes = ir::ElementCount(shape_of(graph.outputs[static_cast<size_t>(i)]));
    if (!labels.empty() && labels.size() != classes) {
      return InvalidArgument("outputs[", i, "].labels: ", labels.size(), " for ", classes, " classes");
    }
    model->outputs.push_back({{labels.begin(), labels.end()}});
  }
  return absl::OkStatus();
}

ir::Provenance Decode(const artifact::Provenance& message) {
  ir::Provenance provenance;
  provenance.producer = message.producer();
  provenance.source = message.source();
  provenance.source_sha256 = message.source_sha256();
  provenance.settings = {message.settings().begin(), message.settings().end()};
  for (const artifact::LayerRecord& layer : message.layers()) {
    ir::LayerRecord record;
    record.node = layer.node();
    record.weights = layer.weights();
    const int known = std::min(layer.rows_by_scheme_size(), numerics::kSchemeCount);
    std::copy_n(layer.rows_by_scheme().begin(), known, record.rows_by_scheme);
    record.weight_distortion = layer.weight_distortion();
    record.activation_saturation = layer.activation_saturation();
    record.bytes = layer.bytes();
    provenance.layers.push_back(std::move(record));
  }
  return provenance;
}

}  // namespace

absl::StatusOr<ir::Model> Parse(std::string_view bytes) {
  if (bytes.size() > kMaxFileBytes) return DataLoss("header: file has ", bytes.size(), " bytes, over ", kMaxFileBytes);
  MSQ_ASSIGN_OR_RETURN(const std::string_view payload, CheckHeader(bytes));
  artifact::Artifact message;
  if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return DataLoss("payload: is no artifact message");
  }
  ir::Model model;
  MSQ_ASSIGN_OR_RETURN(model.graph, Decode(message.graph()));
  if (absl::Status status = ir::Verify(model.graph); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat("graph.", status.message()));
  }
  MSQ_RETURN_IF_ERROR(DecodeDescriptions(message, &model));
  model.provenance = Decode(message.provenance());
  return model;
}

absl::StatusOr<ir::Model> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("cannot open '", path, "'");
  std::string bytes;
  std::array<char, 1 << 16> chunk;
  // One byte more than is allowed tells an endless file from a large one.
  while (bytes.size() <= kMaxFileBytes && (file.read(chunk.data(), chunk.size()), file.gcount() > 0)) {
    bytes.append(chunk.data(), static_cast<size_t>(file.gcount()));
  }
  if (file.bad()) return DataLoss("cannot read '", path, "'");
  absl::StatusOr<ir::Model> model = Parse(bytes);
  if (!model.ok()) return WithContext(model.status(), path);
  return model;
}

}  // namespace msq::format

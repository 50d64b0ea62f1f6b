// Model -> .msq bytes.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <unistd.h>
#include <zlib.h>

#include "base/check.h"
#include "base/status.h"
#include "model/format/artifact.h"
#include "model/ir/verifier.h"
#include "proto/artifact.pb.h"

namespace msq::format {
namespace {

template <typename Repeated, typename Values>
void Fill(Repeated* repeated, const Values& values) {
  repeated->Assign(std::begin(values), std::end(values));
}

void Encode(const ir::Weights& weights, artifact::Weights* out) {
  out->set_rows(weights.rows);
  out->set_row_length(weights.row_length);
  Fill(out->mutable_alphas(), weights.alphas);
  Fill(out->mutable_codebook_of_row(), weights.codebook_of_row);
  for (const auto& book : weights.codebooks) out->mutable_codebooks()->append(book.begin(), book.end());
  const auto row_length = static_cast<size_t>(weights.row_length);
  for (size_t row = 0; row < weights.schemes.size(); ++row) {
    const ir::Scheme scheme = weights.schemes[row];
    out->mutable_schemes()->push_back(static_cast<char>(scheme));
    std::span<const int8_t> codebook;
    if (scheme == ir::Scheme::kCodebook4)
      codebook = weights.codebooks[static_cast<size_t>(weights.codebook_of_row[row])];
    // One look-up table a row: encoding by search is slow.
    std::array<uint8_t, 256> code_of = {};
    for (int code = 0; code < (1 << numerics::CodeBits(scheme)); ++code) {
      const auto value = numerics::DecodeWeight(scheme, static_cast<uint8_t>(code), codebook);
      if (value) code_of[static_cast<size_t>(*value + 128)] = static_cast<uint8_t>(code);
    }
    const int8_t* values = &weights.values[row * row_length];
    const auto code_at = [&](size_t k) { return code_of[static_cast<size_t>(values[k] + 128)]; };
    std::string& codes = *out->mutable_codes();
    if (numerics::CodeBits(scheme) == 8) {
      for (size_t k = 0; k < row_length; ++k) codes.push_back(static_cast<char>(code_at(k)));
    } else {
      for (size_t k = 0; k < row_length; k += 2) {
        const int high = k + 1 < row_length ? code_at(k + 1) : 0;
        codes.push_back(static_cast<char>(code_at(k) | high << 4));
      }
    }
  }
}

void Encode(const ir::Requantizer& requantizer, artifact::Requantizer* out) {
  Fill(out->mutable_multipliers(), requantizer.multipliers);
  Fill(out->mutable_addends(), requantizer.addends);
  out->mutable_shifts()->assign(requantizer.shifts.begin(), requantizer.shifts.end());
  Fill(out->mutable_skip_multipliers(), requantizer.skip_multipliers);
  if (!requantizer.leaky) return;
  Fill(out->mutable_leaky()->mutable_thresholds(), requantizer.leaky->thresholds);
  Fill(out->mutable_leaky()->mutable_multipliers(), requantizer.leaky->multipliers);
  Fill(out->mutable_leaky()->mutable_addends(), requantizer.leaky->addends);
}

void Encode(const ir::Window& window, artifact::Window* out) {
  Fill(out->mutable_kernel(), window.kernel);
  Fill(out->mutable_strides(), window.strides);
  Fill(out->mutable_pads(), window.pads);
  Fill(out->mutable_dilations(), window.dilations);
}

template <typename Message>
void EncodeEpilogue(const ir::Epilogue& epilogue, Message* out) {
  if (const auto* requantizer = std::get_if<ir::Requantizer>(&epilogue)) {
    Encode(*requantizer, out->mutable_requantizer());
  } else {
    Fill(out->mutable_raw_output()->mutable_biases(), std::get<ir::RawOutput>(epilogue).biases);
  }
}

// One overload an operator.
struct EncodeOp {
  artifact::Node* node;

  void operator()(const ir::Conv& op) const {
    Encode(op.window, node->mutable_conv()->mutable_window());
    node->mutable_conv()->set_groups(op.groups);
    Encode(op.weights, node->mutable_conv()->mutable_weights());
    EncodeEpilogue(op.epilogue, node->mutable_conv());
  }
  void operator()(const ir::Dense& op) const {
    Encode(op.weights, node->mutable_dense()->mutable_weights());
    EncodeEpilogue(op.epilogue, node->mutable_dense());
  }
  void operator()(const ir::Add& op) const { Encode(op.requantizer, node->mutable_add()->mutable_requantizer()); }
  void operator()(const ir::Rescale& op) const {
    Encode(op.requantizer, node->mutable_rescale()->mutable_requantizer());
  }
  void operator()(const ir::MaxPool& op) const { Encode(op.window, node->mutable_max_pool()->mutable_window()); }
  void operator()(const ir::AveragePool& op) const {
    Encode(op.window, node->mutable_average_pool()->mutable_window());
    node->mutable_average_pool()->set_count_include_pad(op.count_include_pad);
    Encode(op.requantizer, node->mutable_average_pool()->mutable_requantizer());
  }
  void operator()(const ir::GlobalAveragePool& op) const {
    Encode(op.requantizer, node->mutable_global_average_pool()->mutable_requantizer());
  }
  void operator()(const ir::Concat& op) const { node->mutable_concat()->set_axis(op.axis); }
  void operator()(const ir::ResizeNearest& op) const {
    Fill(node->mutable_resize_nearest()->mutable_factors(), op.factors);
  }
  void operator()(const ir::Reshape&) const { node->mutable_reshape(); }
  void operator()(const ir::Pad& op) const {
    Fill(node->mutable_pad()->mutable_before(), op.before);
    Fill(node->mutable_pad()->mutable_after(), op.after);
  }
  void operator()(const ir::Slice& op) const {
    Fill(node->mutable_slice()->mutable_starts(), op.starts);
    Fill(node->mutable_slice()->mutable_ends(), op.ends);
    Fill(node->mutable_slice()->mutable_steps(), op.steps);
  }
  void operator()(const ir::Recurrent& op) const {
    artifact::Recurrent* out = node->mutable_recurrent();
    out->set_cell(static_cast<artifact::Recurrent::Cell>(op.cell));
    out->set_direction(static_cast<artifact::Recurrent::Direction>(op.direction));
    out->set_hidden_size(op.hidden_size);
    out->set_linear_before_reset(op.linear_before_reset);
    Encode(op.input_weights, out->mutable_input_weights());
    Encode(op.recurrent_weights, out->mutable_recurrent_weights());
    Fill(out->mutable_biases(), op.biases);
    out->set_cell_fraction_bits(op.cell_fraction_bits);
  }
};

void Encode(const ir::Graph& graph, artifact::Graph* out) {
  out->set_name(graph.name);
  for (const ir::Tensor& tensor : graph.tensors) {
    artifact::Tensor* message = out->add_tensors();
    const ir::TensorType& type = tensor.type;
    message->set_name(tensor.name);
    message->set_kind(static_cast<artifact::Tensor::Kind>(type.kind));
    Fill(message->mutable_shape(), type.shape);
    if (type.kind == ir::TensorType::Kind::kCode) {
      message->set_bits(static_cast<uint32_t>(type.bits));
      message->set_scale(type.scale);
      message->set_zero_point(static_cast<uint32_t>(type.zero_point));
    } else {
      Fill(message->mutable_row_scales(), type.row_scales);
    }
  }
  for (const ir::Node& node : graph.nodes) {
    artifact::Node* message = out->add_nodes();
    message->set_name(node.name);
    Fill(message->mutable_inputs(), node.inputs);
    message->set_output(node.output);
    std::visit(EncodeOp{message}, node.op);
  }
  Fill(out->mutable_inputs(), graph.inputs);
  Fill(out->mutable_outputs(), graph.outputs);
}

void Encode(const ir::Provenance& provenance, artifact::Provenance* out) {
  out->set_producer(provenance.producer);
  out->set_source(provenance.source);
  out->set_source_sha256(provenance.source_sha256);
  for (const auto& [key, value] : provenance.settings) (*out->mutable_settings())[key] = value;
  for (const ir::LayerRecord& layer : provenance.layers) {
    artifact::LayerRecord* message = out->add_layers();
    message->set_node(layer.node);
    message->set_weights(layer.weights);
    Fill(message->mutable_rows_by_scheme(), layer.rows_by_scheme);
    message->set_weight_distortion(layer.weight_distortion);
    message->set_activation_saturation(layer.activation_saturation);
    message->set_bytes(layer.bytes);
  }
}

template <typename T>
void PutLittleEndian(T value, std::string* out) {
  for (size_t i = 0; i < sizeof(T); ++i) out->push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

}  // namespace

absl::StatusOr<std::string> Serialize(const ir::Model& model) {
  MSQ_RETURN_IF_ERROR(ir::Verify(model.graph));
  artifact::Artifact message;
  Encode(model.graph, message.mutable_graph());
  for (const ir::InputDescription& input : model.inputs) {
    artifact::InputDescription* out = message.add_inputs();
    out->set_layout(static_cast<artifact::InputDescription::Layout>(input.layout));
    out->set_value_range(input.value_range);
    Fill(out->mutable_mean(), input.mean);
    Fill(out->mutable_stddev(), input.stddev);
  }
  for (const ir::OutputDescription& output : model.outputs)
    Fill(message.add_outputs()->mutable_labels(), output.labels);
  Encode(model.provenance, message.mutable_provenance());

  std::string payload;
  {
    google::protobuf::io::StringOutputStream stream(&payload);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // maps in key order
    if (!message.SerializeToCodedStream(&coded)) return InvalidArgument("model is too large for an artifact (2 GiB)");
  }
  std::string bytes(kMagic);
  PutLittleEndian(kFormatVersion, &bytes);
  PutLittleEndian(static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(payload.data()), payload.size())),
                  &bytes);
  PutLittleEndian(static_cast<uint64_t>(payload.size()), &bytes);
  MSQ_CHECK(bytes.size() == kHeaderBytes);
  bytes += payload;
  MSQ_RETURN_IF_ERROR(Parse(bytes).status());  // descriptions too: nothing is written that the reader refuses
  return bytes;
}

absl::Status WriteFile(const ir::Model& model, const std::string& path) {
  MSQ_ASSIGN_OR_RETURN(const std::string bytes, Serialize(model));
  const std::string temporary = absl::StrCat(path, ".tmp.", getpid());
  {
    std::ofstream file(temporary, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file) {
      std::remove(temporary.c_str());
      return FailedPrecondition("cannot write '", path, "'");
    }
  }
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) {
    std::remove(temporary.c_str());
    return FailedPrecondition("cannot write '", path, "': ", error.message());
  }
  return absl::OkStatus();
}

}  // namespace msq::format

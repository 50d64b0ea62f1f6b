// Reads, simplifies, plans, calibrates, lowers, verifies; and records what was done.
#include "quantizer/pipeline.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/status.h"
#include "model/ir/printer.h"
#include "model/ir/verifier.h"
#include "quantizer/calibration_data.h"
#include "quantizer/lower.h"
#include "quantizer/onnx_import.h"
#include "quantizer/passes/passes.h"

namespace msq::quantizer {
namespace {

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return NotFound("'", path, "': no such file");
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  if (!file) return NotFound("'", path, "': cannot be read");
  return std::move(bytes).str();
}

std::string Sha256Hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  MSQ_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), size});
}

// No path, no labels.
absl::StatusOr<std::vector<std::string>> ReadLabels(const std::string& path) {
  if (path.empty()) return std::vector<std::string>();
  MSQ_ASSIGN_OR_RETURN(const std::string text, ReadWhole(path));
  std::vector<std::string> labels;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    labels.push_back(line);
  }
  if (labels.empty()) return InvalidArgument("--labels: '", path, "' is empty");
  return labels;
}

absl::Status SetLabels(const std::vector<std::string>& labels, const QuantizeOptions& options, ir::Model* model) {
  const int64_t classes = ir::ElementCount(model->graph.tensors[model->graph.outputs[0]].type.shape);
  if (!labels.empty() && static_cast<int64_t>(labels.size()) != classes) {
    return InvalidArgument("--labels: '", options.labels_path, "' has ", labels.size(), " lines, the network has ",
                           classes, " outputs");
  }
  model->outputs[0].labels = labels;
  return absl::OkStatus();
}

absl::Status CheckNormalisation(const FloatGraph& graph, const QuantizeOptions& options) {
  if (options.mean.empty() != options.stddev.empty()) return InvalidArgument("--mean and --std go together");
  const auto channels = static_cast<size_t>(graph.shape(graph.input)[0]);
  for (const auto* values : {&options.mean, &options.stddev}) {
    if (values->size() > 1 && values->size() != channels) {
      return InvalidArgument("--mean and --std have ", values->size(), " values for ", channels, " channels");
    }
  }
  for (float value : options.stddev) {
    if (!(value > 0)) return InvalidArgument("--std must be positive, not ", value);
  }
  if (!AllModerate(options.mean) || !AllModerate(options.stddev))
    return InvalidArgument("--mean and --std must be finite");
  return absl::OkStatus();
}

absl::Status CheckSamples(const FloatGraph& graph, const std::vector<FloatTensor>& samples) {
  if (samples.empty()) return InvalidArgument("--calibration holds no samples");
  const auto size = static_cast<size_t>(ir::ElementCount(graph.shape(graph.input)));
  for (size_t s = 0; s < samples.size(); ++s) {
    if (samples[s].size() != size) {
      return InvalidArgument("calibration sample ", s, " has ", samples[s].size(), " values, the network takes ", size);
    }
    if (!AllModerate(samples[s])) {
      return InvalidArgument("calibration sample ", s, " holds NaN, infinity or numbers beyond ", kLargestModerate);
    }
  }
  return absl::OkStatus();
}

// Folding multiplies constants, so this comes after it.
absl::Status CheckWeights(const FloatGraph& graph) {
  for (const FloatNode& node : graph.nodes) {
    const auto* linear = std::get_if<Linear>(&node.op);
    if (linear == nullptr) continue;
    const bool post_fits = !linear->post || (AllModerate(linear->post->scale) && AllModerate(linear->post->shift));
    if (post_fits && AllModerate(linear->weights) && AllModerate(linear->bias)) continue;
    return InvalidArgument("node '", node.name,
                           "': its weights, with what is folded into them, are not finite or beyond ",
                           kLargestModerate);
  }
  return absl::OkStatus();
}

ir::InputDescription DescribeInput(const FloatGraph& graph, const QuantizeOptions& options) {
  ir::InputDescription description;
  description.layout = graph.input_layout;
  if (options.mean.empty()) return description;
  const auto channels = static_cast<size_t>(graph.shape(graph.input)[0]);
  description.value_range = 255.0f;
  for (size_t c = 0; c < channels; ++c) {
    description.mean.push_back(options.mean[options.mean.size() == 1 ? 0 : c]);
    description.stddev.push_back(options.stddev[options.stddev.size() == 1 ? 0 : c]);
  }
  return description;
}

const ir::Epilogue& EpilogueOf(const ir::Op& op) {
  const auto* conv = std::get_if<ir::Conv>(&op);
  return conv != nullptr ? conv->epilogue : std::get<ir::Dense>(op).epilogue;
}

// Lowering keeps the order of nodes, so node i of the float graph is node i of the IR.
std::vector<ir::LayerRecord> Record(const FloatGraph& graph, const Calibration& calibration, const ir::Graph& lowered) {
  std::vector<ir::LayerRecord> records;
  for (size_t i = 0; i < lowered.nodes.size(); ++i) {
    const ir::Weights* weights = ir::WeightsOf(lowered.nodes[i].op);
    if (weights == nullptr) continue;
    ir::LayerRecord record;
    record.node = lowered.nodes[i].name;
    record.weights = weights->rows * weights->row_length;
    record.weight_distortion = calibration.layers[i].weight_distortion;
    record.activation_saturation = calibration.saturation[graph.nodes[i].output];
    // Alpha 4; multiplier 4, addend 8, shift 1, skip 4, leaky 16; or the raw bias 4.
    int64_t per_row = 8;
    if (const auto* requantizer = std::get_if<ir::Requantizer>(&EpilogueOf(lowered.nodes[i].op))) {
      per_row = 17 + (requantizer->skip_multipliers.empty() ? 0 : 4) + (requantizer->leaky ? 16 : 0);
    }
    for (numerics::Scheme scheme : weights->schemes) {
      record.bytes += (weights->row_length * numerics::CodeBits(scheme) + 7) / 8 + per_row;
    }
    std::ranges::copy(ir::RowsByScheme(*weights), record.rows_by_scheme);
    records.push_back(std::move(record));
  }
  return records;
}

std::map<std::string, std::string> DescribeSettings(const QuantizeOptions& options, const Calibration& calibration) {
  static constexpr const char* kSchemes[] = {"msq", "fixed", "sp2", "p2"};
  std::map<std::string, std::string> settings;
  settings["scheme"] = kSchemes[static_cast<int>(options.scheme)];
  if (options.scheme == SchemeChoice::kMsq) {
    settings["target"] = options.target;
    settings["sp2_share"] = absl::StrCat(options.sp2_share);
    settings["tied_rows"] = options.tied_rows ? "on" : "off";
  }
  settings["weights8"] = absl::StrJoin(options.weights8, ",");
  settings["depthwise_bits"] = absl::StrCat(options.depthwise_bits);
  settings["activation_bits"] = absl::StrCat(options.activation_bits);
  if (!options.activations8.empty()) settings["activations8"] = absl::StrJoin(options.activations8, ",");
  settings["range"] = options.range == RangeMethod::kMse ? "mse" : absl::StrCat("percentile ", options.percentile);
  settings["rounding"] = options.rounding == Rounding::kNearest ? "nearest" : "compensated";
  settings["bias_correction"] = options.bias_correction ? "on" : "off";
  settings["calibration"] = std::filesystem::path(options.calibration_path).filename().string();
  settings["calibration_samples"] = absl::StrCat(calibration.samples);
  return settings;
}

void NoteDepthwise(const FloatGraph& graph, const QuantizeOptions& options, std::vector<std::string>& notes) {
  int depthwise = 0;
  for (const FloatNode& node : graph.nodes) {
    const auto* linear = std::get_if<Linear>(&node.op);
    depthwise += linear != nullptr && linear->is_depthwise() && linear->row_length > 1 ? 1 : 0;
  }
  if (depthwise > 0 && options.depthwise_bits == 4) {
    notes.push_back(absl::StrCat(depthwise, " depthwise layers have 4-bit weights; if accuracy suffers, try ",
                                 "--depthwise-bits 8 and --activation-bits 8"));
  }
}

}  // namespace

absl::StatusOr<Quantized> QuantizeGraph(FloatGraph graph, const std::vector<FloatTensor>& samples,
                                        const QuantizeOptions& options, const Progress& progress) {
  MSQ_RETURN_IF_ERROR(CheckNormalisation(graph, options));
  MSQ_RETURN_IF_ERROR(CheckSamples(graph, samples));
  Simplify(graph);
  MSQ_RETURN_IF_ERROR(CheckWeights(graph));
  if (options.bgr) MSQ_RETURN_IF_ERROR(ReverseInputChannels(graph));
  MSQ_ASSIGN_OR_RETURN(const Plan plan, MakePlan(graph, options));
  MSQ_ASSIGN_OR_RETURN(const std::vector<std::string> labels, ReadLabels(options.labels_path));
  ThreadPool pool(options.threads);
  MSQ_ASSIGN_OR_RETURN(const Calibration calibration,
                       Calibrate(graph, plan, options, samples, pool, progress ? progress : Progress([](int, int) {})));
  Quantized result;
  MSQ_ASSIGN_OR_RETURN(result.model.graph, Lower(graph, plan, calibration));
  MSQ_RETURN_IF_ERROR(ir::Verify(result.model.graph));
  result.model.inputs = {DescribeInput(graph, options)};
  result.model.outputs.resize(graph.outputs.size());
  MSQ_RETURN_IF_ERROR(SetLabels(labels, options, &result.model));
  result.model.provenance.producer = "msq-quantize " MSQ_VERSION;
  result.model.provenance.settings = DescribeSettings(options, calibration);
  result.model.provenance.layers = Record(graph, calibration, result.model.graph);
  result.report.notes = graph.notes;
  NoteDepthwise(graph, options, result.report.notes);
  result.report.notes.insert(result.report.notes.end(), calibration.notes.begin(), calibration.notes.end());
  result.report.agreement = calibration.agreement;
  result.report.samples = calibration.samples;
  if (!options.evaluate_path.empty()) {
    MSQ_ASSIGN_OR_RETURN(result.report.float_accuracy, MeasureFloatAccuracy(graph, options, labels, pool));
  }
  return result;
}

absl::StatusOr<Quantized> Quantize(const QuantizeOptions& given, const Progress& progress) {
  QuantizeOptions options = given;
  MSQ_ASSIGN_OR_RETURN(const std::string bytes, ReadWhole(options.model_path));
  auto graph = ImportOnnx(bytes);
  if (!graph.ok()) return WithContext(graph.status(), options.model_path);
  if (options.calibration_path.empty()) {
    return InvalidArgument(
        "--calibration is needed: a folder of PNG/JPEG, an .npy or an .npz with some hundred typical inputs "
        "of shape ",
        ir::ToString(graph->shape(graph->input)), "; without it no activation range is known");
  }
  MSQ_RETURN_IF_ERROR(CheckNormalisation(*graph, options));
  MSQ_ASSIGN_OR_RETURN(const CalibrationSet set, LoadCalibration(*graph, options));
  if (set.pixels && options.mean.empty()) {
    options.mean = {0.0f};
    options.stddev = {1.0f};
    graph->notes.push_back("no --mean and --std given: pixels are fed as value / 255");
  }
  auto result = QuantizeGraph(*std::move(graph), set.samples, options, progress);
  if (!result.ok()) return WithContext(result.status(), options.model_path);
  result->model.provenance.source = std::filesystem::path(options.model_path).filename().string();
  result->model.provenance.source_sha256 = Sha256Hex(bytes);
  return result;
}

}  // namespace msq::quantizer

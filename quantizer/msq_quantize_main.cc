// msq-quantize: ONNX in, .msq out. Exit codes: 0 done, 1 error (one line on stderr), 2 usage.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <thread>

#include "model/format/artifact.h"
#include "quantizer/onnx_import.h"
#include "quantizer/pipeline.h"

namespace msq::quantizer {
namespace {

struct CommandLine {
  QuantizeOptions options;
  std::string output, ratio;
  bool json = false;
};

void AddOptions(CLI::App& app, CommandLine& line) {
  static const std::map<std::string, SchemeChoice> schemes = {{"msq", SchemeChoice::kMsq},
                                                              {"fixed", SchemeChoice::kFixed},
                                                              {"sp2", SchemeChoice::kSp2},
                                                              {"p2", SchemeChoice::kP2}};
  static const std::map<std::string, RangeMethod> ranges = {{"mse", RangeMethod::kMse},
                                                            {"percentile", RangeMethod::kPercentile}};
  static const std::map<std::string, Rounding> roundings = {{"nearest", Rounding::kNearest},
                                                            {"compensated", Rounding::kCompensated}};
  QuantizeOptions& o = line.options;
  app.add_option("model", o.model_path, "Float network, ONNX opset 7 to 17")->required()->type_name("MODEL.onnx");
  app.add_option("-o,--output", line.output, "Artifact to write")->required()->type_name("OUT.msq");
  app.add_option("--calibration", o.calibration_path, "Typical inputs: a folder of PNG/JPEG, an .npy or an .npz")
      ->type_name("DIR|FILE");
  app.add_option("--calibration-samples", o.calibration_samples, "Use at most so many of them")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--mean", o.mean, "Mean of pixel/255, per channel")->delimiter(',')->type_name("R,G,B");
  app.add_option("--std", o.stddev, "Standard deviation of pixel/255, per channel")->delimiter(',')->type_name("R,G,B");
  app.add_flag("--bgr", o.bgr, "The network was trained on BGR; the artifact takes RGB");
  app.add_option("--labels", o.labels_path, "Class names, one per line")->type_name("FILE");
  app.add_option("--evaluate", o.evaluate_path, "Measure the float network on a labelled set, as msq eval takes it")
      ->type_name("DIR|FILE.npz");
  app.add_option("--scheme", o.scheme, "How rows are quantized: msq mixes sp2 and fixed")
      ->transform(CLI::CheckedTransformer(schemes).description(""))
      ->type_name("msq|fixed|sp2|p2");
  app.add_option("--target", o.target, "Array whose SP2:fixed ratio to use")
      ->check(CLI::IsMember({"z020", "z045", "paper_z020", "paper_z045"}).description(""))
      ->type_name("z020|z045|paper_z020|paper_z045")
      ->capture_default_str();
  app.add_option("--ratio", line.ratio, "SP2 rows to fixed rows, instead of --target: 1.5, 1.5:1 or 5/3")
      ->type_name("SP2/FIXED");
  app.add_flag("!--independent-rows", o.tied_rows,
               "Every layer chooses its SP2 rows by itself, also where layers are added or depthwise");
  app.add_option("--activation-bits", o.activation_bits, "Bits of activations inside the network")
      ->check(CLI::IsMember({4, 8}).description(""))
      ->type_name("4|8")
      ->capture_default_str();
  app.add_option("--activations8", o.activations8, "Layers whose output has 8 bits")
      ->delimiter(',')
      ->type_name("NAME,...");
  app.add_option("--weights8", o.weights8, "Layers with 8-bit weights: names, first, last, all or none")
      ->delimiter(',')
      ->type_name("NAME,...")
      ->default_str("first,last");
  app.add_option("--depthwise-bits", o.depthwise_bits, "Bits of the weights of depthwise layers")
      ->check(CLI::IsMember({4, 8}).description(""))
      ->type_name("4|8")
      ->capture_default_str();
  app.add_option("--range", o.range, "How activation ranges are chosen")
      ->transform(CLI::CheckedTransformer(ranges).description(""))
      ->type_name("mse|percentile");
  app.add_option("--percentile", o.percentile, "Share of values that --range percentile covers, in percent")
      ->check(CLI::Range(50.0, 100.0))
      ->capture_default_str();
  app.add_option("--rounding", o.rounding, "How weights are rounded: each to the nearest, or making up for each other")
      ->transform(CLI::CheckedTransformer(roundings).description(""))
      ->type_name("nearest|compensated");
  app.add_flag("!--no-bias-correction", o.bias_correction, "Leave biases as they are");
  app.add_option("--threads", o.threads, "Threads to calibrate with")->check(CLI::Range(1, 256))->capture_default_str();
  app.add_flag("--json", line.json, "Report as JSON on stdout");
}

void ShowProgress(int done, int total) {
  std::fprintf(stderr, "\rquantizing %3d %%%s", 100 * done / total, done == total ? "\r\033[K" : "");
}

int Fail(const absl::Status& status) {
  std::cerr << "msq-quantize: " << status.message() << "\n";
  return 1;
}

int Run(const CommandLine& line) {
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const auto result = Quantize(line.options, terminal ? Progress(ShowProgress) : Progress());
  if (!result.ok()) return Fail(result.status());
  std::error_code ignored;  // WriteFile says it better
  std::filesystem::create_directories(std::filesystem::path(line.output).parent_path(), ignored);
  if (absl::Status status = format::WriteFile(result->model, line.output); !status.ok()) return Fail(status);
  const auto render = line.json ? ReportJson : ReportText;
  std::cout << render(result->model, result->report, line.output, std::filesystem::file_size(line.output));
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Quantizes a float ONNX network to a 4-bit MSQ artifact.");
  app.footer("Supported operators: " + SupportedOnnxOperators());
  CommandLine line;
  line.options.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  AddOptions(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  line.options.sp2_share = ShareOfTarget(line.options.target);
  if (!line.ratio.empty()) {
    line.options.sp2_share = ParseRatio(line.ratio);
    line.options.target = "ratio " + line.ratio;
    if (line.options.sp2_share < 0) {
      std::cerr << "msq-quantize: --ratio '" << line.ratio << "' is no ratio such as 1.5, 1.5:1 or 5/3\n";
      return 2;
    }
  }
  return Run(line);
}

}  // namespace
}  // namespace msq::quantizer

int main(int argc, char** argv) {
  try {
    return msq::quantizer::Main(argc, argv);
  } catch (const std::exception& error) {  // of a library: out of memory, a name that JSON cannot hold
    std::cerr << "msq-quantize: " << error.what() << "\n";
    return 1;
  }
}

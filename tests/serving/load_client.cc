// One run of the load generator; prints what it measured as one line of JSON. Ends with 1 when it could not run, not
// when requests fail: those are counted.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "tests/serving/load_generator.h"

namespace {

std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

double Quantile(const std::vector<double>& ascending, double q) {
  return ascending.empty() ? 0 : ascending[static_cast<size_t>(q * static_cast<double>(ascending.size() - 1))];
}

nlohmann::json Latencies(const std::vector<double>& us) {
  return {{"p50_us", Quantile(us, 0.5)}, {"p90_us", Quantile(us, 0.9)}, {"p99_us", Quantile(us, 0.99)}};
}

nlohmann::json ToJson(const msq::testing::LoadReport& report) {
  const auto ok = static_cast<double>(report.ok_latencies_us.size());
  const double answers = ok + static_cast<double>(report.refused_latencies_us.size());
  nlohmann::json json = {{"seconds", report.seconds},
                         {"ok_per_s", ok / report.seconds},
                         {"answers_per_s", answers / report.seconds},
                         {"answers", report.answers},
                         {"wrong", report.wrong},
                         {"not_sent", report.not_sent},
                         {"ok", Latencies(report.ok_latencies_us)},
                         {"refused", Latencies(report.refused_latencies_us)},
                         {"first_error", report.first_error}};
  json["server_cpu_us"] = answers > 0 ? report.server_cpu_s * 1e6 / answers : 0;  // of one request
  json["client_cpu_us"] = answers > 0 ? report.client_cpu_s * 1e6 / answers : 0;
  return json;
}

}  // namespace

int main(int argc, char** argv) {
  msq::testing::LoadOptions options;
  options.method = "/inference.GRPCInferenceService/ModelInfer";
  std::string request, expected, save;
  CLI::App app("Sends one ModelInferRequest over and over");
  app.option_defaults()->always_capture_default();
  app.add_option("--target", options.target, "HOST:PORT")->required();
  app.add_option("--request", request, "file: the serialized request")->required()->check(CLI::ExistingFile);
  app.add_option("--expect", expected, "file: the serialized answer, compared with each")->check(CLI::ExistingFile);
  app.add_option("--save", save, "file to write the first answer to");
  app.add_option("--channels", options.channels, "connections")->check(CLI::PositiveNumber);
  app.add_option("--concurrency", options.concurrency, "closed loop: requests under way")->check(CLI::PositiveNumber);
  app.add_option("--rate", options.rate_per_s, "open loop: requests per second; 0: closed loop");
  app.add_option("--max-in-flight", options.max_in_flight, "open loop: requests under way at most");
  app.add_option("--warmup", options.warmup_s, "seconds that are not measured");
  app.add_option("--duration", options.duration_s, "seconds that are measured");
  app.add_option("--server-pid", options.server_pid, "the process whose processor time is measured");
  CLI11_PARSE(app, argc, argv);
  options.request = ReadBytes(request);
  if (!expected.empty()) options.expected = ReadBytes(expected);

  const auto report = msq::testing::GenerateLoad(options);
  if (!report.ok()) {
    return std::fprintf(stderr, "load_client: %s\n", std::string(msq::Message(report.status())).c_str()), 1;
  }
  if (!save.empty()) std::ofstream(save, std::ios::binary) << report->first_answer;
  std::printf("%s\n", ToJson(*report).dump().c_str());
  return 0;
}

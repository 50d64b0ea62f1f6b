// msq bench: load on one model, backend beside backend, every answer compared bit for bit; what comes of it as a table,
// as JSON, as CSV and as a page.
#include <cstdio>
#include <fstream>
#include <string>

#include "base/status.h"
#include "clients/bench/reports.h"
#include "clients/bench/runner.h"
#include "clients/msq/command.h"

namespace msq::client {
namespace {

struct Options {
  CommonOptions common;
  bench::BenchOptions bench;
  std::string backends, concurrency = "1:8", rates;
  std::string json_file, csv_file, html_file;
};

absl::Status WriteFile(const std::string& path, const std::string& text) {
  if (path.empty()) return absl::OkStatus();
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return file ? absl::OkStatus() : Unavailable("cannot write ", path);
}

// So that an hour's measurement is not lost to a folder that is not there. Of a report that is there nothing remains: if
// there will be none this time, it must not be taken for this one's.
absl::Status CanWrite(const std::string& path) {
  return WriteFile(path, "");
}

absl::Status WriteReports(const Options& options, const bench::Results& results) {
  const std::string json = bench::ToJson(results).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  MSQ_RETURN_IF_ERROR(WriteFile(options.json_file, json));
  MSQ_RETURN_IF_ERROR(WriteFile(options.csv_file, bench::ToCsv(results)));
  return WriteFile(options.html_file, bench::ToHtml(results));
}

absl::Status RunBench(Options options) {
  bench::BenchOptions& bench = options.bench;
  MSQ_ASSIGN_OR_RETURN(bench.levels, options.rates.empty() ? bench::ParseConcurrency(options.concurrency)
                                                           : bench::ParseRates(options.rates));
  MSQ_ASSIGN_OR_RETURN(bench.backends, bench::ParseBackends(options.backends));
  for (const std::string* path : {&options.json_file, &options.csv_file, &options.html_file}) {
    MSQ_RETURN_IF_ERROR(CanWrite(*path));
  }
  bench.url = options.common.url;
  MSQ_ASSIGN_OR_RETURN(const auto client, Connect(options.common));
  bool has_head = false;
  const auto print_row = [&has_head](const bench::Row& row) {
    if (!has_head) std::fputs(bench::TextHead(row.level.open()).c_str(), stdout);
    has_head = true;
    std::fputs(bench::TextRow(row).c_str(), stdout);
    std::fflush(stdout);
  };
  MSQ_ASSIGN_OR_RETURN(const bench::Results results, bench::RunBench(client.get(), bench, print_row));
  for (const std::string& note : results.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  std::printf("%lld answers compared, %lld differ\n", static_cast<long long>(results.compared),
              static_cast<long long>(results.wrong));
  MSQ_RETURN_IF_ERROR(WriteReports(options, results));
  return bench::Verdict(results);
}

void AddLoadOptions(CLI::App* command, Options* options) {
  bench::BenchOptions& bench = options->bench;
  command->add_option("model", bench.model, "model to ask")->required();
  command->add_option("--backend", options->backends,
                      "backends to compare, e.g. cpu,fpga; the server's choice without");
  auto* concurrency = command
                          ->add_option("--concurrency", options->concurrency,
                                       "closed loop: requests under way; N, FIRST:LAST in doublings, or N,N,...")
                          ->capture_default_str();
  command
      ->add_option("--rate", options->rates, "open loop: requests per second at random times (Poisson); R or R,R,...")
      ->excludes(concurrency);
  command->add_option("--max-under-way", bench.max_under_way, "open loop: requests under way at most")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--batch", bench.batch, "samples of a request")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--warmup", bench.warmup_s, "seconds of load before the measured ones, in each round")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--duration", bench.duration_s, "seconds that are measured, of each round")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--rounds", bench.rounds, "rounds of each backend, in turn")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--max-rounds", bench.max_rounds,
                   "rounds at most, while the last three differ; twice --rounds without")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--stability-percent", bench.stability_percent,
                   "settled: the last three rounds are so close to their mean; 0: do not judge")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
}

}  // namespace

void AddBenchCommand(CLI::App* app, Run* run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app->add_subcommand("bench", "Load a model and compare its backends, in speed and bit for bit");
  AddLoadOptions(command, options.get());
  command->add_option("--url", options->common.url, "HOST:PORT of the server's gRPC endpoint")->capture_default_str();
  command->add_option("--timeout-seconds", options->common.timeout_seconds, "longest that one call may take")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option(
      "--metrics-url", options->bench.metrics_url,
      "the server's metrics: phases, batch sizes, energy; http://HOST:8002/metrics without, '' for none");
  command
      ->add_option("--sample-interval-seconds", options->bench.sample_interval_s,
                   "time between two looks at the metrics under load")
      ->capture_default_str()
      ->check(CLI::Range(0.05, 3600.0));
  command->add_option("--json", options->json_file, "write the figures to this file");
  command->add_option("--csv", options->csv_file, "write a table of the figures to this file");
  command->add_option("--html", options->html_file,
                      "write a report with plots to this file: one page, nothing besides");
  command->callback([options, command, run] {
    bench::BenchOptions& bench = options->bench;
    bench.metrics_required = command->count("--metrics-url") > 0;
    if (!bench.metrics_required) bench.metrics_url = bench::DefaultMetricsUrl(options->common.url);
    if (command->count("--max-rounds") == 0) bench.max_rounds = 2 * bench.rounds;
    *run = [options] { return RunBench(*options); };
  });
}

}  // namespace msq::client

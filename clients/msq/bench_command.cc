// msq bench: load on one model, backend beside backend, every answer compared bit for bit; what comes of it as a table,
// as JSON, as CSV and as a page.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "base/status.h"
#include "clients/bench/reports.h"
#include "clients/bench/runner.h"
#include "clients/msq/command.h"

namespace msq::client {
namespace {

constexpr int kMostRounds = 1000;

struct Options {
  CommonOptions common;
  bench::BenchOptions bench;
  std::string backends, concurrency = "1:8", rates;
  std::string json_file, csv_file, html_file;
};

absl::Status WriteFile(const std::string& path, const std::string& text) {
  if (path.empty()) return absl::OkStatus();
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return Unavailable("cannot write ", path, ": ", std::strerror(errno));
  int error = std::fwrite(text.data(), 1, text.size(), file) == text.size() ? 0 : errno;
  if (std::fclose(file) != 0 && error == 0) error = errno;
  if (error == 0) return absl::OkStatus();
  std::error_code ignored;
  std::filesystem::resize_file(path, 0, ignored);  // a part must not be taken for the whole
  return Unavailable("cannot write ", path, ": ", std::strerror(error));
}

bool IsSameFile(const std::string& a, const std::string& b) {
  std::error_code error;
  if (std::filesystem::equivalent(a, b, error)) return true;
  const auto resolve = [&error](const std::string& path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  };
  return resolve(a) == resolve(b);
}

// So that an hour's measurement is not lost to a folder that is not there. Of a report that is there nothing remains: if
// there will be none this time, it must not be taken for this one's.
absl::Status CanWrite(const std::string& path) {
  return WriteFile(path, "");
}

// All that can be written; the first error.
absl::Status WriteReports(const Options& options, const bench::Results& results) {
  const std::string json = bench::ToJson(results).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  absl::Status status = WriteFile(options.json_file, json);
  status.Update(WriteFile(options.csv_file, bench::ToCsv(results)));
  status.Update(WriteFile(options.html_file, bench::ToHtml(results)));
  return status;
}

absl::Status RunBench(Options options) {
  bench::BenchOptions& bench = options.bench;
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
  std::fputs(bench::TextVerdict(results).c_str(), stdout);
  const absl::Status written = WriteReports(options, results), verdict = bench::Verdict(results);
  if (verdict.ok()) return written;
  if (written.ok()) return verdict;
  return absl::Status(verdict.code(), absl::StrCat(verdict.message(), "; ", written.message()));
}

// What the parser takes for the command line's fault.
template <typename Value>
Value OrRefuse(absl::StatusOr<Value> value) {
  if (!value.ok()) throw CLI::ValidationError(std::string(Message(value.status())));
  return *std::move(value);
}

// What the parser alone cannot check.
void TakeOptions(const CLI::App& command, Options* options) {
  bench::BenchOptions& bench = options->bench;
  bench.levels = OrRefuse(command.count("--rate") > 0 ? bench::ParseRates(options->rates)
                                                      : bench::ParseConcurrency(options->concurrency));
  bench.backends = OrRefuse(bench::ParseBackends(options->backends));
  bench.metrics_required = command.count("--metrics-url") > 0;
  if (!bench.metrics_required) bench.metrics_url = bench::DefaultMetricsUrl(options->common.url);
  if (command.count("--max-rounds") == 0) bench.max_rounds = std::min(2 * bench.rounds, kMostRounds);
  if (bench.max_rounds < bench.rounds) throw CLI::ValidationError("--max-rounds is less than --rounds");
  std::vector<std::string> files;
  for (const std::string& file : {options->json_file, options->csv_file, options->html_file}) {
    if (file.empty()) continue;
    for (const std::string& other : files) {
      if (IsSameFile(other, file)) throw CLI::ValidationError("two reports cannot be written to one file: " + file);
    }
    files.push_back(file);
  }
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
      ->check(NumberBetween(1, 100000));
  command->add_option("--batch", bench.batch, "samples of a request")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--warmup", bench.warmup_s, "seconds of load before the measured ones, in each round")
      ->capture_default_str()
      ->check(NumberBetween(0, kDaySeconds));
  command->add_option("--duration", bench.duration_s, "seconds that are measured, of each round")
      ->capture_default_str()
      ->check(NumberBetween(0.01, kDaySeconds));
  command->add_option("--rounds", bench.rounds, "rounds of each backend, in turn")
      ->capture_default_str()
      ->check(NumberBetween(1, kMostRounds));
  command
      ->add_option("--max-rounds", bench.max_rounds,
                   "rounds at most, while the last three differ; twice --rounds without")
      ->check(NumberBetween(1, kMostRounds));
  command
      ->add_option("--stability-percent", bench.stability_percent,
                   "settled: the last three rounds are so close to their mean; 0: do not judge")
      ->capture_default_str()
      ->check(NumberBetween(0, 100));
}

}  // namespace

void AddBenchCommand(CLI::App* app, Run* run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app->add_subcommand("bench", "Load a model and compare its backends, in speed and bit for bit");
  AddLoadOptions(command, options.get());
  command->add_option("--url", options->common.url, "HOST:PORT of the server's gRPC endpoint")->capture_default_str();
  command->add_option("--timeout-seconds", options->common.timeout_seconds, "longest that one call may take")
      ->capture_default_str()
      ->check(NumberBetween(0.001, kDaySeconds));
  command->add_option(
      "--metrics-url", options->bench.metrics_url,
      "the server's metrics: phases, batch sizes, energy; http://HOST:8002/metrics without, '' for none");
  command
      ->add_option("--sample-interval-seconds", options->bench.sample_interval_s,
                   "time between two looks at the metrics under load")
      ->capture_default_str()
      ->check(NumberBetween(0.05, 3600));
  command->add_option("--json", options->json_file, "write the figures to this file");
  command->add_option("--csv", options->csv_file, "write a table of the figures to this file");
  command->add_option("--html", options->html_file,
                      "write a report with plots to this file: one page, nothing besides");
  command->callback([options, command, run] {
    TakeOptions(*command, options.get());
    *run = [options] { return RunBench(*options); };
  });
}

}  // namespace msq::client

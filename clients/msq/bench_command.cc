// msq bench: closed-loop load on one model, backend beside backend in interleaved rounds, every answer compared bit for bit.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "clients/msq/command.h"

namespace msq::client {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kInputs = 16;  // different ones, asked for in turn

struct BenchOptions {
  CommonOptions common;
  std::string model, backends, concurrency = "1:8", json_file;
  double duration_s = 1, warmup_s = 0.2;
  int rounds = 3;
  int64_t batch = 1;
};

// What one backend did at one concurrency, all rounds together.
struct Row {
  std::string backend;  // empty: the server's choice
  int concurrency = 1;
  int64_t answers = 0, wrong = 0;
  std::map<std::string, int64_t> errors = {};  // by status code
  std::string first_error = {};
  double seconds = 0;
  std::vector<double> latencies_ms = {};
};

double Quantile(const std::vector<double>& ascending, double q) {
  return ascending.empty() ? 0 : ascending[static_cast<size_t>(q * static_cast<double>(ascending.size() - 1))];
}

// "4", or "1:32": 1, 2, 4, ... 32.
absl::StatusOr<std::vector<int>> ParseConcurrency(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  int first = 0, last = 0;
  const bool numbers = absl::SimpleAtoi(parts[0], &first) && absl::SimpleAtoi(parts.back(), &last);
  if (!numbers || parts.size() > 2 || first < 1 || last < first || last > 1024) {
    return InvalidArgument("concurrency '", text, "' is neither N nor FIRST:LAST in 1..1024");
  }
  std::vector<int> all;
  for (int n = first; n < last; n *= 2) all.push_back(n);
  all.push_back(last);
  return all;
}

std::string AnswerBytes(const inference::ModelInferResponse& response) {
  std::string bytes;
  for (const std::string& output : response.raw_output_contents()) bytes += output;
  return bytes;
}

class Bench {
 public:
  Bench(const BenchOptions& options, Client* client) : options_(options), client_(*client) {}

  absl::Status Run() {
    MSQ_ASSIGN_OR_RETURN(const std::vector<int> levels, ParseConcurrency(options_.concurrency));
    std::vector<std::string> backends = absl::StrSplit(options_.backends, ',');
    MSQ_RETURN_IF_ERROR(MakeRequests());
    for (const std::string& backend : backends) MSQ_RETURN_IF_ERROR(CompareAlone(backend));
    for (const int level : levels) {
      std::vector<Row> rows;
      for (const std::string& backend : backends) rows.push_back({.backend = backend, .concurrency = level});
      for (int round = 0; round < options_.rounds; ++round) {
        // There and back, so that what drifts on the machine meets all alike.
        if (round % 2 == 1) std::reverse(rows.begin(), rows.end());
        for (Row& row : rows) RunRound(&row);
        if (round % 2 == 1) std::reverse(rows.begin(), rows.end());
      }
      for (Row& row : rows) Finish(std::move(row));
    }
    return Report();
  }

 private:
  absl::Status MakeRequests() {
    MSQ_ASSIGN_OR_RETURN(const auto config, client_.ModelConfig(options_.model));
    MSQ_ASSIGN_OR_RETURN(const auto metadata, client_.ModelMetadata(options_.model));
    if (options_.batch > std::max(1, config.max_batch_size())) {
      return InvalidArgument("the model takes batches of ", std::max(1, config.max_batch_size()), " at most");
    }
    std::minstd_rand random(1);
    for (int i = 0; i < kInputs; ++i) {
      inference::ModelInferRequest& request = requests_.emplace_back();
      request.set_model_name(options_.model);
      for (const auto& tensor : metadata.inputs()) {
        auto* input = request.add_inputs();
        input->set_name(tensor.name());
        input->set_datatype("UINT8");
        int64_t elements = 1;
        for (int d = 0; d < tensor.shape_size(); ++d) {
          const int64_t length = d == 0 && config.max_batch_size() > 0 ? options_.batch : tensor.shape(d);
          input->add_shape(length);
          elements *= length;
        }
        std::string bytes(static_cast<size_t>(elements), '\0');
        std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>(random() >> 8); });
        request.add_raw_input_contents(std::move(bytes));
      }
    }
    return absl::OkStatus();
  }

  inference::ModelInferRequest RequestFor(size_t input, const std::string& backend) const {
    inference::ModelInferRequest request = requests_[input];
    if (!backend.empty()) (*request.mutable_parameters())["backend"].set_string_param(backend);
    return request;
  }

  // The answers that all others have to equal: those of the first backend, without load.
  absl::Status CompareAlone(const std::string& backend) {
    for (size_t i = 0; i < requests_.size(); ++i) {
      MSQ_ASSIGN_OR_RETURN(const auto response, client_.Infer(RequestFor(i, backend)));
      const std::string bytes = AnswerBytes(response);
      if (expected_.size() <= i) expected_.push_back(bytes);
      if (bytes != expected_[i])
        return absl::DataLossError("backend '" + backend + "' has other bits than the first one");
    }
    return absl::OkStatus();
  }

  void RunRound(Row* row) {
    std::mutex mutex;
    std::atomic<int> under_way{0};
    const auto begin = SteadyClock::now();
    const auto measure =
        begin + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(options_.warmup_s));
    const auto end =
        measure + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(options_.duration_s));
    std::function<void(size_t)> ask = [&](size_t input) {
      const auto sent = SteadyClock::now();
      client_.InferAsync(RequestFor(input, row->backend),
                         [&, input, sent](const absl::StatusOr<inference::ModelInferResponse>& response) {
                           const auto now = SteadyClock::now();
                           {
                             std::lock_guard lock(mutex);
                             Count(input, response, now >= measure && now < end,
                                   std::chrono::duration<double, std::milli>(now - sent).count(), row);
                           }
                           if (now < end) {
                             ask((input + 1) % requests_.size());
                           } else {
                             --under_way;
                           }
                         });
    };
    for (int i = 0; i < row->concurrency; ++i) {
      ++under_way;
      ask(static_cast<size_t>(i) % requests_.size());
    }
    while (under_way > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    row->seconds += options_.duration_s;
  }

  // Every answer is compared; those of the measured time are counted.
  void Count(size_t input, const absl::StatusOr<inference::ModelInferResponse>& response, bool measured, double ms,
             Row* row) {
    if (!response.ok()) {
      ++row->errors[absl::StatusCodeToString(response.status().code())];
      if (row->first_error.empty()) row->first_error = std::string(Message(response.status()));
      return;
    }
    if (AnswerBytes(*response) != expected_[input]) ++row->wrong;
    ++compared_;
    if (!measured) return;
    ++row->answers;
    row->latencies_ms.push_back(ms);
  }

  void Finish(Row row) {
    std::sort(row.latencies_ms.begin(), row.latencies_ms.end());
    if (rows_.empty()) {
      std::printf("%-8s %11s %10s %9s %9s %9s %9s %7s %6s\n", "BACKEND", "CONCURRENCY", "IMAGES/S", "P50 MS", "P90 MS",
                  "P95 MS", "P99 MS", "ERRORS", "WRONG");
    }
    int64_t errors = 0;
    for (const auto& [code, count] : row.errors) errors += count;
    const auto& ms = row.latencies_ms;
    std::printf("%-8s %11d %10.1f %9.3f %9.3f %9.3f %9.3f %7lld %6lld\n",
                row.backend.empty() ? "any" : row.backend.c_str(), row.concurrency, ImagesPerSecond(row),
                Quantile(ms, 0.5), Quantile(ms, 0.9), Quantile(ms, 0.95), Quantile(ms, 0.99),
                static_cast<long long>(errors), static_cast<long long>(row.wrong));
    std::fflush(stdout);
    rows_.push_back(std::move(row));
  }

  double ImagesPerSecond(const Row& row) const {
    return row.seconds == 0 ? 0 : static_cast<double>(row.answers * options_.batch) / row.seconds;
  }

  nlohmann::json ToJson() const {
    nlohmann::json rows = nlohmann::json::array();
    for (const Row& row : rows_) {
      const auto& ms = row.latencies_ms;
      rows.push_back({{"backend", row.backend},
                      {"concurrency", row.concurrency},
                      {"batch", options_.batch},
                      {"answers", row.answers},
                      {"images_per_s", ImagesPerSecond(row)},
                      {"p50_ms", Quantile(ms, 0.5)},
                      {"p90_ms", Quantile(ms, 0.9)},
                      {"p95_ms", Quantile(ms, 0.95)},
                      {"p99_ms", Quantile(ms, 0.99)},
                      {"p999_ms", Quantile(ms, 0.999)},
                      {"errors", row.errors},
                      {"wrong", row.wrong}});
    }
    return {{"model", options_.model}, {"answers_compared", compared_.load()}, {"rows", rows}};
  }

  absl::Status Report() const {
    int64_t wrong = 0;
    std::string error;
    for (const Row& row : rows_) {
      wrong += row.wrong;
      if (error.empty()) error = row.first_error;
    }
    if (!options_.json_file.empty()) {
      std::ofstream file(options_.json_file);
      file << ToJson().dump(2) << "\n";
      file.close();
      if (!file) return Unavailable("cannot write ", options_.json_file);
    }
    std::printf("%lld answers compared, %lld differ\n", static_cast<long long>(compared_),
                static_cast<long long>(wrong));
    if (wrong > 0) return absl::DataLossError(absl::StrCat(wrong, " answers differ from the first backend's"));
    if (!error.empty()) return Unavailable("requests failed; the first one: ", error);
    return absl::OkStatus();
  }

  const BenchOptions& options_;
  Client& client_;
  std::vector<inference::ModelInferRequest> requests_;
  std::vector<std::string> expected_;
  std::vector<Row> rows_;
  std::atomic<int64_t> compared_{0};
};

absl::Status RunBench(const BenchOptions& options) {
  MSQ_ASSIGN_OR_RETURN(const auto client, Connect(options.common));
  return Bench(options, client.get()).Run();
}

}  // namespace

void AddBenchCommand(CLI::App* app, Run* run) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app->add_subcommand("bench", "Load a model and compare its backends, in speed and bit for bit");
  command->add_option("model", options->model, "model to ask")->required();
  command->add_option("--backend", options->backends,
                      "backends to compare, e.g. cpu,fpga; the server's choice without");
  command->add_option("--concurrency", options->concurrency, "requests under way: N, or FIRST:LAST in doublings")
      ->capture_default_str();
  command->add_option("--batch", options->batch, "samples of a request")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--duration", options->duration_s, "seconds that are measured, of each round")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--rounds", options->rounds, "rounds of each backend, in turn")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--url", options->common.url, "HOST:PORT of the server's gRPC endpoint")->capture_default_str();
  command->add_option("--json", options->json_file, "write the figures to this file");
  command->callback([options, run] { *run = [options] { return RunBench(*options); }; });
}

}  // namespace msq::client

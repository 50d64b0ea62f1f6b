// The course of a benchmark: every answer compared without load, then level by level, at each of which the backends take
// turns in rounds until all of them have settled.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/bench/results.h"
#include "clients/cpp/client.h"

namespace msq::bench {

struct BenchOptions {
  std::string model, url;
  std::vector<std::string> backends = {""};  // "": the server's choice
  std::vector<Level> levels;
  int64_t batch = 1;
  double warmup_s = 0.2, duration_s = 1;
  int rounds = 3, max_rounds = 6;
  double stability_percent = 10;  // 0: not judged, and no round more than `rounds`
  int max_under_way = 4096;       // open loop
  std::string metrics_url;        // "": none is looked at
  bool metrics_required = false;  // the user named it; else: where there are none, the report says so
  double sample_interval_s = 0.5;
};

// "4"; "1:32": 1, 2, 4, ... 32; "1,3,8".
absl::StatusOr<std::vector<Level>> ParseConcurrency(const std::string& text);
// "100"; "100,200.5".
absl::StatusOr<std::vector<Level>> ParseRates(const std::string& text);
// "cpu,fpga"; "" is the server's choice. INVALID_ARGUMENT for one that is named twice.
absl::StatusOr<std::vector<std::string>> ParseBackends(const std::string& text);
// "http://HOST:8002/metrics" for a server at HOST:PORT, or at a gRPC target that names one host, as dns:///HOST:PORT and
// ipv4:ADDRESS:PORT do. Empty for others, such as unix:PATH.
std::string DefaultMetricsUrl(const std::string& url);

// Calls `on_row` for each row, in order, as soon as it is measured. An error means that nothing was measured; requests
// that failed, wrong answers and rates that were not reached are in the results. Where answers differ before there is any
// load there are no rows.
absl::StatusOr<Results> RunBench(client::Client* client, const BenchOptions& options,
                                 const std::function<void(const Row&)>& on_row);

// What is wrong with the results, for the exit status: wrong answers, failed requests, a rate that was not reached,
// nothing measured.
absl::Status Verdict(const Results& results);

}  // namespace msq::bench

// Sends one and the same unary RPC again and again, on one thread, and measures what comes back.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "absl/status/statusor.h"

namespace msq::testing {

struct LoadOptions {
  std::string target;         // HOST:PORT
  std::string method;         // "/package.Service/Method"
  std::string request;        // serialized
  std::string expected;       // serialized answer; empty: any will do
  int channels = 1;           // connections, used in turn
  int concurrency = 1;        // closed loop: requests under way at all times
  double rate_per_s = 0;      // open loop, Poisson, when positive: whether or not answers come
  int max_in_flight = 10000;  // open loop: what would go beyond is counted and not sent
  double warmup_s = 0.3;
  double duration_s = 2;
  pid_t server_pid = 0;  // whose processor time is measured; 0: nobody's
};

struct LoadReport {
  double seconds = 0;                         // what was measured: answers that came within it
  std::map<std::string, int64_t> answers;     // by status code
  int64_t wrong = 0;                          // OK but not as expected
  int64_t not_sent = 0;                       // beyond max_in_flight
  std::vector<double> ok_latencies_us;        // ascending; in the open loop from when the request was due
  std::vector<double> refused_latencies_us;   // of every other answer
  double server_cpu_s = 0, client_cpu_s = 0;  // processor time during `seconds`
  std::string first_error;                    // its message
  std::string first_answer;                   // serialized
};

// Blocks until everything sent is answered. UNAVAILABLE when no connection comes about, NOT_FOUND for a `server_pid`
// that does not exist.
absl::StatusOr<LoadReport> GenerateLoad(const LoadOptions& options);

}  // namespace msq::testing

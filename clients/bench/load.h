// One round of load on one backend, and what came back. Closed loop: a number of requests is under way at all times, and
// an answer is what triggers the next. Open loop: requests leave when a schedule says so, whether or not answers come,
// and a latency counts from when its request was due, so a server (or a sender) that stalls cannot hide behind requests
// that were not sent meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "clients/bench/latencies.h"

namespace msq::bench {

struct Answer {
  absl::Status status;
  bool right = true;  // bit for bit what was expected; of OK answers
};
// Sends the request with the number `input` and calls `done` once, on whatever thread, after it has returned or before.
using Ask = std::function<void(size_t input, std::function<void(const Answer&)> done)>;

struct LoadOptions {
  int concurrency = 1;       // closed loop
  double rate_per_s = 0;     // open loop when positive
  int max_under_way = 4096;  // open loop: a request that would go beyond is not sent
  size_t inputs = 1;         // asked for in turn
  double warmup_s = 0.2;     // load that is not measured
  double duration_s = 1;     // what is measured
  uint64_t seed = 1;         // of the schedule
};

struct LoadResult {
  double seconds = 0;  // that were measured; 0 of a round to which nothing but errors came, from some time on or at all
  int64_t answers = 0;  // OK, and came within them
  Latencies latencies;  // closed loop: of these; open loop: of the requests that were due within them
  // Of the whole round, warm-up included:
  int64_t compared = 0, wrong = 0;
  std::map<std::string, int64_t> errors = {};  // by status code
  std::string first_error = {};
  bool gave_up = false;        // nothing but errors came for a while, so the round was ended before its time
  std::string end_cause = {};  // one of the errors after which no answer came any more
  // Open loop: of the requests due within the measured time.
  int64_t due = 0, sent = 0;
  int64_t beyond_bound = 0;  // not sent because as many as may be were under way
  int64_t late = 0;          // sent more than a millisecond after they were due
  Latencies lags;            // of what was sent: from due to sent
  int64_t left = 0;          // sent within the measured time, whenever they were due
};

struct LoadHooks {
  // At the edges of the measured time, on the caller's thread, while the load goes on.
  std::function<void()> begin = [] {};
  std::function<void()> end = [] {};
  // Every tenth of a second, on the caller's thread, with the answers (OK ones) so far.
  std::function<void(int64_t answers)> tick = [](int64_t) {};
};

// Blocks until everything sent is answered.
LoadResult GenerateLoad(const LoadOptions& options, const Ask& ask, const LoadHooks& hooks);

}  // namespace msq::bench

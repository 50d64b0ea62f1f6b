// Looks at the server's /metrics while it is under load: at the edges of each round, and in between at a steady pace.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/bench/server_snapshot.h"

namespace msq::bench {

// Thread-safe.
class ServerMonitor {
 public:
  // Times count from the construction. Nothing is fetched before it is asked for.
  ServerMonitor(std::string metrics_url, std::string model);
  ~ServerMonitor();

  double Now() const;  // seconds
  // One page, now; it is no part of History().
  absl::StatusOr<ServerSnapshot> Look() const;
  absl::StatusOr<std::vector<Series>> Page() const;

  // From now on there is a snapshot every `interval_s`, until the end.
  void Start(double interval_s);
  // Waits for the sampler to end.
  void Stop();

  // What one round saw: a snapshot at its begin, those in between, one at its end.
  void BeginRound();
  // UNAVAILABLE when the page could not be had at either edge.
  absl::StatusOr<Interval> EndRound();

  // All looks so far in order, those that failed included.
  std::vector<ServerSnapshot> History() const;

 private:
  void Sample(double interval_s);
  // Adds what came of the look at `time_s` to the history; with mutex_ held.
  absl::Status Record(double time_s, absl::StatusOr<ServerSnapshot> snapshot);

  const std::string url_, model_;
  const std::chrono::steady_clock::time_point begin_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<ServerSnapshot> history_;
  size_t round_begin_ = 0;  // in history_
  absl::Status round_status_;
  std::thread sampler_;
};

}  // namespace msq::bench

// The line on a terminal that says how far a benchmark is and what it sees just now; silent in a pipe.
#pragma once

#include <chrono>
#include <string>

namespace msq::bench {

// Not thread-safe.
class LiveProgress {
 public:
  // The measurement will take about `total_s` seconds; it may be said anew.
  explicit LiveProgress(double total_s);
  ~LiveProgress();
  void SetTotal(double total_s) { total_s_ = total_s; }
  // `what` is under load, and answers come at this rate.
  void Show(const std::string& what, double images_per_s);
  // Takes the line away, so that something else can be printed.
  void Clear();

 private:
  const bool visible_;
  const std::chrono::steady_clock::time_point begin_;
  double total_s_;
};

}  // namespace msq::bench

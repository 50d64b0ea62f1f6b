// The line on a terminal that says how far a benchmark is and what it sees just now; silent in a pipe.
#pragma once

#include <chrono>
#include <string>

namespace msq::bench {

// Not thread-safe.
class LiveProgress {
 public:
  LiveProgress();
  ~LiveProgress();
  // This share of all is done, `what` is under load, and answers come at this rate. What is left is reckoned from what
  // the share took.
  void Show(double share, const std::string& what, double images_per_s);
  // Takes the line away, so that something else can be printed.
  void Clear();

 private:
  const bool visible_;
  const std::chrono::steady_clock::time_point begin_;
};

}  // namespace msq::bench

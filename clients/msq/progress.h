// The line on a terminal that says how far a command is; silent in a pipe.
#pragma once

#include <chrono>
#include <string>

namespace msq::client {

// Not thread-safe.
class Progress {
 public:
  Progress();
  ~Progress() { Clear(); }
  // This share of all is done, and `what` is going on. What is left is reckoned from what the share took.
  void Show(double share, const std::string& what);
  // Takes the line away, so that something else can be printed.
  void Clear();

 private:
  const bool visible_;
  const std::chrono::steady_clock::time_point begin_;
};

}  // namespace msq::client

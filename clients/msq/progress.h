// A progress bar on stderr: drawn on a terminal, silent in a pipe.
#pragma once

#include <cstdint>

namespace msq::client {

// Not thread-safe.
class Progress {
 public:
  explicit Progress(int64_t total);
  // Leaves an empty line behind.
  ~Progress();
  void Update(int64_t done);

 private:
  const int64_t total_;
  const bool visible_;
  int drawn_permille_ = -1;
};

}  // namespace msq::client

// What programs did on one device, kept while accelerators behind it come and go.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>

#include "absl/time/time.h"

namespace msq::fpga {

// What the accelerator counted while a program ran.
struct ProgramCounters {
  int64_t cycles = 0;
  int64_t steps = 0;
  int64_t dsp_busy = 0, lut_busy = 0;  // steps
  int64_t read_beats = 0, write_beats = 0;
  absl::Duration running;  // from the start to the look that found it ended, by the host's clock

  int64_t dram_bytes() const { return 8 * (read_beats + write_beats); }
  ProgramCounters& operator+=(const ProgramCounters& other);
};

// Thread-safe. One program runs at a time.
class ProgramRecord {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct State {
    ProgramCounters ended;              // sums of the programs that ended well
    std::optional<Time> running_since;  // the start of the one that runs
  };

  void Begin(Time now);
  void End(const ProgramCounters& counters);
  void GiveUp();  // it ended otherwise, or never began

  // Of one moment: a program is in one of the two.
  State state() const;

 private:
  mutable std::mutex mutex_;
  State state_;
};

}  // namespace msq::fpga

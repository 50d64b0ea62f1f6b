// When CONV's results are written, for the timing model: msq_drain.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/timing_banks.h"
#include "hw/sim/timing_weights.h"

namespace msq::hw {

// Residuals are thought to be there in time.
class TimedDrain {
 public:
  TimedDrain(const Configuration& configuration, TimedWeights* weights, BankPorts* banks);

  // What a pass over a group of pixels leaves: Q sums an item, groups of Q channels by pixels.
  struct Pass {
    int64_t items = 0;
    int64_t tile = 0, first_pixel = 0, pixels = 0;
    bool is_last = false, ends_tile = false, ends_instruction = false;
  };

  void Start(const ConvFields& fields) { f_ = fields; }
  // In the cycle of the pass's last step. Takes room().
  void Add(const Pass& pass);
  int64_t room() const { return room_; }
  // Whether the instruction has ended in this cycle.
  bool Cycle();

 private:
  struct Arriving : Pass {
    int64_t at = 0;
    int64_t done = 0;
  };
  // Words of an item on their way to the activation memory, one a cycle.
  struct Write {
    int64_t at = 0;
    int64_t word = 0, step = 0, words = 0;
  };

  void Take();
  void PushWrites(const Arriving& pass);
  void WriteBack();
  bool MayWrite() const;

  const Configuration configuration_;
  const size_t clients_;  // of the activation memory
  TimedWeights& weights_;
  BankPorts& banks_;
  ConvFields f_;
  int64_t now_ = 0;
  int64_t room_;
  std::deque<Arriving> arriving_;
  int64_t next_item_ = 0;
  std::deque<int64_t> credits_;
  std::array<std::deque<Write>, 2> writes_;  // of each client
  bool ends_ = false;                        // all items are taken
  int64_t tail_ = 0;
};

}  // namespace msq::hw

// When CONV's steps are issued and its results written, for the timing model: msq_steps and msq_drain.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/timing_banks.h"
#include "hw/sim/timing_weights.h"

namespace msq::hw {

class TimedConv {
 public:
  TimedConv(const Configuration& configuration, TimedWeights* weights, BankPorts* banks);

  bool Ready() const { return !active_; }
  void Start(const ConvFields& fields);
  bool idle() const { return !active_; }
  // Whether the instruction has ended in this cycle.
  bool Cycle();

  struct Counts {
    int64_t steps = 0, stall_weights = 0, stall_drain = 0, stall_bank = 0;
  };
  const Counts& counts() const { return counts_; }
  // Steps of each tile since the program's beginning.
  const std::vector<int64_t>& tile_steps() const { return tile_steps_; }

 private:
  // A group of pixels: how many, and the cycles that a step takes.
  struct Group {
    int pixels = 0;
    int sub_cycles = 0;
  };
  // What a pass leaves for the drain.
  struct Items {
    int64_t arrival = 0;
    int64_t count = 0;
    int cycles = 1;  // each
    bool ends_tile = false, ends_instruction = false;
    bool is_last_pass = false;
    int64_t tile = 0, first_pixel = 0, pixels = 0, done = 0;
  };

  // A word of results on its way to the activation memory.
  struct Write {
    int64_t at = 0;
    int64_t word = 0;
  };

  void FindGroups();
  void Issue();
  void EndPass();
  void TakeGroup();
  void Drain();
  void PushWrites();
  void WriteBack();
  int64_t NeededRow() const;

  const Configuration configuration_;
  TimedWeights& weights_;
  BankPorts& banks_;
  ConvFields f_;
  std::array<int64_t, 8> pass_rows_{};
  std::vector<Group> groups_;  // of a tile
  int64_t steps_of_pass_ = 0;
  int last_item_cycles_ = 1;

  bool active_ = false, issuing_ = false;
  int64_t now_ = 0;
  int64_t taken_at_ = 0;  // the group, from msq_walker; its steps begin in the next cycle
  int64_t tile_ = 0, pass_ = 0, step_ = 0, sub_ = 0;
  size_t group_ = 0;
  int64_t tile_row_ = 0;  // the tile's first row, since the program's beginning
  int64_t free_, gap_ = 0;
  std::deque<int64_t> rows_seen_;  // rows() of the last cycles
  std::deque<Items> items_;
  int64_t item_ready_ = 0, tail_ = 0;
  bool drained_ = false;
  std::array<std::deque<Write>, 2> writes_;  // of the drain's clients
  struct Release {
    int64_t at, rows;
  };
  std::deque<Release> releases_;
  std::deque<int64_t> credits_;
  Counts counts_;
  std::vector<int64_t> tile_steps_;
};

}  // namespace msq::hw

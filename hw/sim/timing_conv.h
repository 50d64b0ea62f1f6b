// When CONV's steps are issued, for the timing model: msq_walker and msq_steps.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/timing_banks.h"
#include "hw/sim/timing_drain.h"
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
  void FindGroups();
  void Issue();
  void EndPass(TimedDrain::Pass* pass);
  void TakeGroup();
  int64_t NeededRow() const;

  const Configuration configuration_;
  TimedWeights& weights_;
  TimedDrain drain_;
  ConvFields f_;
  std::array<int64_t, 8> pass_rows_{};
  std::vector<Group> groups_;  // of a tile
  int64_t steps_of_pass_ = 0;

  bool active_ = false, issuing_ = false;
  int64_t now_ = 0;
  int64_t taken_at_ = 0;  // the group, from msq_walker; its steps begin in the next cycle
  int64_t tile_ = 0, pass_ = 0, step_ = 0, sub_ = 0;
  size_t group_ = 0;
  int64_t tile_row_ = 0;           // the tile's first row, since the program's beginning
  int64_t gap_ = 0;                // cycles until the next pass may end
  std::deque<int64_t> rows_seen_;  // rows() of the last cycles
  struct Release {
    int64_t at, rows;
  };
  std::deque<Release> releases_;
  Counts counts_;
  std::vector<int64_t> tile_steps_;
};

}  // namespace msq::hw

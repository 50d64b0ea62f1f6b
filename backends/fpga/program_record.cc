#include "backends/fpga/program_record.h"

namespace msq::fpga {

ProgramCounters& ProgramCounters::operator+=(const ProgramCounters& other) {
  cycles += other.cycles;
  steps += other.steps;
  dsp_busy += other.dsp_busy;
  lut_busy += other.lut_busy;
  read_beats += other.read_beats;
  write_beats += other.write_beats;
  running += other.running;
  return *this;
}

void ProgramRecord::Begin(Time now) {
  std::lock_guard lock(mutex_);
  state_.running_since = now;
}

void ProgramRecord::End(const ProgramCounters& counters) {
  std::lock_guard lock(mutex_);
  state_.ended += counters;
  state_.running_since.reset();
}

void ProgramRecord::GiveUp() {
  std::lock_guard lock(mutex_);
  state_.running_since.reset();
}

ProgramRecord::State ProgramRecord::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

}  // namespace msq::fpga

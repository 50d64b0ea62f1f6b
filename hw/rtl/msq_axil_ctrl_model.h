// What msq_axil_ctrl must do, cycle by cycle, written from hw/regs/registers.json and the contract in its header.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>

namespace msq::hw {

inline constexpr int kCounterSlots = 16;

// The inputs of a cycle.
struct CtrlInputs {
  bool awvalid = false, wvalid = false, bready = false, arvalid = false, rready = false;
  uint32_t awaddr = 0, wdata = 0, wstrb = 0, araddr = 0;
  bool done = false, error_valid = false;
  uint32_t error_code = 0, error_index = 0;
  std::array<uint32_t, kCounterSlots> events =
      {};  // by number of the counter; cycles and what is reserved are not used
};

// The outputs of a cycle; they depend on the cycles before alone. Data are valid with their valid.
struct CtrlOutputs {
  bool awready = false, wready = false, bvalid = false, arready = false, rvalid = false;
  uint32_t rdata = 0;
  bool interrupt = false, start = false;
  uint64_t prog_addr = 0, win_base = 0, win_size = 0;
  uint32_t watchdog = 0;

  bool operator==(const CtrlOutputs&) const = default;
};

// How often the rare things came together.
struct CtrlSeen {
  int programs = 0;
  int restarts = 0;
  int errors = 0;
  int done_while_ctrl_is_read = 0;
  int done_while_isr_is_written = 0;
  int done_while_start_is_written = 0;
  int address_first = 0;
  int data_first = 0;
  int counter_reads = 0;
  int counter_reads_beyond_32_bits = 0;
  int interrupts = 0;
};

class CtrlModel {
 public:
  // constants: what the registers that never change read, by address.
  CtrlModel(std::map<uint32_t, uint32_t> constants, uint64_t counter_clear);

  // The outputs of this cycle. rvalid is the device's: when a counter is delivered is its own business, within 20 cycles.
  CtrlOutputs Outputs(bool device_rvalid);
  void Advance(const CtrlInputs& in);

  bool running() const { return running_; }
  bool start() const { return ap_start_ && !running_; }
  bool late() const { return waited_ > 20; }
  const CtrlSeen& seen() const { return seen_; }

 private:
  struct Counts : std::array<uint64_t, kCounterSlots> {};

  uint32_t Read(uint32_t address) const;
  bool Write(uint32_t address, uint32_t data, uint32_t strobes);
  void AdvanceWrites(const CtrlInputs& in, bool write);
  void AdvanceCounts(const CtrlInputs& in, bool start);
  bool WaitsForCounter() const;

  std::map<uint32_t, uint32_t> constants_;
  uint64_t counter_clear_;
  std::map<uint32_t, uint32_t> registers_;  // what can be written and only holds it

  bool aw_full_ = false, w_full_ = false, bvalid_ = false, ar_full_ = false, rvalid_ = false;
  uint32_t waddr_ = 0, wdata_ = 0, wstrb_ = 0, raddr_ = 0, rdata_ = 0, counter_high_ = 0;
  int waited_ = 0;
  bool ap_start_ = false, ap_done_ = false, auto_restart_ = false, running_ = false, interrupt_ = false;
  uint32_t isr_ = 0, error_code_ = 0, error_index_ = 0;
  Counts counts_;
  std::deque<Counts> history_;  // what a reader sees now is at the front: counts show four cycles late
  CtrlSeen seen_;
};

}  // namespace msq::hw

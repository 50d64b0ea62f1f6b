#include "hw/rtl/msq_axil_ctrl_model.h"

#include <utility>

#include "hw/regs/registers.h"

namespace msq::hw {
namespace {

constexpr size_t kCounterDelay = 5;  // a value delivered in one cycle was taken in that before, four after its events

uint32_t Masked(uint32_t old, uint32_t data, uint32_t strobes) {
  for (int byte = 0; byte < 4; ++byte) {
    if ((strobes >> byte & 1) == 0) continue;
    const uint32_t mask = 0xffu << (8 * byte);
    old = (old & ~mask) | (data & mask);
  }
  return old;
}

bool IsCounter(uint32_t address) {
  return address >= kCounterBase && address < kCounterBase + 8 * kCounterSlots;
}

}  // namespace

CtrlModel::CtrlModel(std::map<uint32_t, uint32_t> constants, uint64_t counter_clear)
    : constants_(std::move(constants)), counter_clear_(counter_clear) {
  counts_.fill(counter_clear_);
  history_.assign(kCounterDelay, counts_);
}

bool CtrlModel::WaitsForCounter() const {
  return ar_full_ && IsCounter(raddr_) && raddr_ % 8 == 0;
}

CtrlOutputs CtrlModel::Outputs(bool device_rvalid) {
  if (WaitsForCounter()) {
    ++waited_;
    if (device_rvalid) {
      const uint64_t count = history_.front()[(raddr_ - kCounterBase) / 8];
      rdata_ = static_cast<uint32_t>(count);
      counter_high_ = static_cast<uint32_t>(count >> 32);
      ar_full_ = false;
      rvalid_ = true;
      waited_ = 0;
      ++seen_.counter_reads;
      if (counter_high_ > counter_clear_ >> 32) ++seen_.counter_reads_beyond_32_bits;
    }
  }
  const auto wide = [this](uint32_t low, uint32_t high) {
    return registers_[low] | static_cast<uint64_t>(registers_[high]) << 32;
  };
  CtrlOutputs out;
  out.awready = !aw_full_;
  out.wready = !w_full_;
  out.bvalid = bvalid_;
  out.arready = !ar_full_ && !rvalid_;
  out.rvalid = rvalid_;
  out.rdata = rvalid_ ? rdata_ : 0;
  out.interrupt = interrupt_;
  out.start = start();
  out.prog_addr = wide(kProgAddrLoRegister, kProgAddrHiRegister);
  out.win_base = wide(kDramBaseLoRegister, kDramBaseHiRegister);
  out.win_size = wide(kDramSizeLoRegister, kDramSizeHiRegister);
  out.watchdog = registers_[kWatchdogRegister];
  return out;
}

uint32_t CtrlModel::Read(uint32_t address) const {
  if (const auto found = constants_.find(address); found != constants_.end()) return found->second;
  if (const auto found = registers_.find(address); found != registers_.end()) return found->second;
  if (IsCounter(address)) return counter_high_;
  switch (address) {
    case kCtrlRegister:
      return (ap_start_ ? kCtrlApStart.mask() : 0) | (ap_done_ ? kCtrlApDone.mask() | kCtrlApReady.mask() : 0) |
             (!ap_start_ && !running_ ? kCtrlApIdle.mask() : 0) | (auto_restart_ ? kCtrlAutoRestart.mask() : 0);
    case kIsrRegister:
      return isr_;
    case kStatusRegister:
      return error_code_ | (ap_start_ || running_ ? kStatusBusy.mask() : 0);
    case kErrorIndexRegister:
      return error_index_;
    default:
      return 0;
  }
}

// True when it writes a 1 into ap_start.
bool CtrlModel::Write(uint32_t address, uint32_t data, uint32_t strobes) {
  static const std::map<uint32_t, uint32_t> holding = {
      {kGieRegister, 1},          {kIerRegister, 3},
      {kProgAddrLoRegister, ~0u}, {kProgAddrHiRegister, 0xffff},
      {kDramBaseLoRegister, ~0u}, {kDramBaseHiRegister, 0xffff},
      {kDramSizeLoRegister, ~0u}, {kDramSizeHiRegister, 0xffff},
      {kWatchdogRegister, ~0u},
  };
  if (const auto found = holding.find(address); found != holding.end()) {
    registers_[address] = Masked(registers_[address], data, strobes) & found->second;
  }
  if (address == kIsrRegister && (strobes & 1) != 0) isr_ ^= data & 3;
  if (address != kCtrlRegister || (strobes & 1) == 0) return false;
  auto_restart_ = (data & kCtrlAutoRestart.mask()) != 0;
  return (data & kCtrlApStart.mask()) != 0;
}

void CtrlModel::Advance(const CtrlInputs& in) {
  const bool write = aw_full_ && w_full_ && !bvalid_;
  const bool read = ar_full_ && !WaitsForCounter();
  const bool starts = start();
  const bool ended = running_ && in.done;
  const bool was_auto_restart = auto_restart_;
  const uint32_t was_enabled = registers_[kIerRegister];
  const bool was_interrupt = registers_[kGieRegister] != 0 && isr_ != 0;

  if (read) rdata_ = Read(raddr_);
  const bool clears_done = read && raddr_ == kCtrlRegister;
  const bool writes_start = write && Write(waddr_, wdata_, wstrb_);
  if (ended) {
    seen_.done_while_ctrl_is_read += clears_done ? 1 : 0;
    seen_.done_while_isr_is_written += write && waddr_ == kIsrRegister && (wstrb_ & wdata_ & 1) != 0 ? 1 : 0;
    seen_.done_while_start_is_written += writes_start ? 1 : 0;
    seen_.restarts += was_auto_restart ? 1 : 0;
    isr_ |= was_enabled & 3;
  }
  ap_start_ = writes_start || (ended ? was_auto_restart : ap_start_);
  ap_done_ = ended || (ap_done_ && !clears_done);
  seen_.interrupts += was_interrupt && !interrupt_ ? 1 : 0;
  interrupt_ = was_interrupt;
  if (starts) {
    error_code_ = error_index_ = 0;
    ++seen_.programs;
  } else if (running_ && in.error_valid && error_code_ == 0) {
    error_code_ = in.error_code;
    error_index_ = in.error_index;
    ++seen_.errors;
  }
  AdvanceCounts(in, starts);
  running_ = starts || (running_ && !in.done);

  AdvanceWrites(in, write);
  const bool accepts = in.arvalid && !ar_full_ && !rvalid_;
  rvalid_ = read || (rvalid_ && !in.rready);
  ar_full_ = accepts || (ar_full_ && !read);
  if (accepts) raddr_ = in.araddr & 0xffc;
}

void CtrlModel::AdvanceWrites(const CtrlInputs& in, bool write) {
  const bool address = in.awvalid && !aw_full_;
  const bool data = in.wvalid && !w_full_;
  if (address) waddr_ = in.awaddr & 0xffc;
  if (data) {
    wdata_ = in.wdata;
    wstrb_ = in.wstrb;
  }
  seen_.address_first += address && !data && !w_full_ ? 1 : 0;
  seen_.data_first += data && !address && !aw_full_ ? 1 : 0;
  aw_full_ = !write && (aw_full_ || address);
  w_full_ = !write && (w_full_ || data);
  bvalid_ = write || (bvalid_ && !in.bready);
}

void CtrlModel::AdvanceCounts(const CtrlInputs& in, bool start) {
  if (running_) {
    for (int i = 0; i < kCounterSlots; ++i) counts_[i] += in.events[i];
    ++counts_[static_cast<int>(Counter::kCycles)];
  }
  history_.push_back(counts_);
  history_.pop_front();
  if (!start) return;
  // A value taken two cycles after the start is of the new program already: only older ones show what was.
  counts_.fill(counter_clear_);
  for (size_t i = 2; i < history_.size(); ++i) history_[i] = counts_;
}

}  // namespace msq::hw

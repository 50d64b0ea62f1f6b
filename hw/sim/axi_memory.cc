#include "hw/sim/axi_memory.h"

#include <algorithm>
#include <cstring>

namespace msq::hw {
namespace {

constexpr int kMaxBeats = 16;
constexpr int kBeatBytes = 8;
constexpr uint64_t kPage = 4096;
constexpr uint8_t kSlvErr = 2, kDecErr = 3;

}  // namespace

AxiMemoryOptions AxiMemoryOptions::Ideal(int ports) {
  AxiMemoryOptions options;
  options.ports = ports;
  options.latency_cycles = 1;
  options.outstanding = 64;
  return options;
}

AxiMemoryOptions AxiMemoryOptions::ZynqDdr3(int ports) {
  AxiMemoryOptions options;
  options.ports = ports;
  options.dram = true;
  options.latency_cycles = 40;
  options.peak_bytes_s = 1066e6 * 4;
  options.burst_gap_s = 7.5e-9;
  options.turnaround_s = 15e-9;
  options.row_miss_s = 26.3e-9;
  options.banks = 8;
  options.row_bytes = 4096;
  options.refresh_period_s = 7.8e-6;
  options.refresh_s = 160e-9;
  return options;
}

AxiMemoryOptions AxiMemoryOptions::RandomStalls(uint64_t seed, int ports) {
  AxiMemoryOptions options = Ideal(ports);
  options.latency_cycles = 10;
  options.outstanding = 4;
  options.stall = 0.4;
  options.seed = seed;
  return options;
}

AxiMemory::AxiMemory(const AxiMemoryOptions& options)
    : options_(options),
      data_(options.bytes),
      ports_(static_cast<size_t>(options.ports)),
      banks_(static_cast<size_t>(options.banks)),
      next_refresh_(CyclesOf(options.refresh_period_s)),
      random_(options.seed * 2 + 0x9e3779b97f4a7c15u) {}

uint64_t AxiMemory::Read64(uint64_t address) const {
  uint64_t value = 0;
  std::memcpy(&value, &data_[address - options_.base], sizeof(value));
  return value;
}

void AxiMemory::Write64(uint64_t address, uint64_t value) {
  std::memcpy(At(address), &value, sizeof(value));
}

bool AxiMemory::Stalled() {
  if (options_.stall <= 0) return false;
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return static_cast<double>(random_ >> 11) * 0x1p-53 < options_.stall;
}

void AxiMemory::Violation(const std::string& what) {
  if (statistics_.violations++ == 0) {
    statistics_.first_violation = "cycle " + std::to_string(statistics_.cycles) + ": " + what;
  }
}

void AxiMemory::CheckAddress(uint64_t address, int len, int size, int burst) {
  const int beats = len + 1;
  if (burst != 1) Violation("a burst that is not INCR");
  if (size != 3) Violation("beats that are not 8 bytes");
  if (beats > kMaxBeats) Violation("a burst of more than 16 beats");
  if (address % kBeatBytes != 0) Violation("an address that is not aligned");
  const uint64_t last = address + static_cast<uint64_t>(beats) * kBeatBytes - 1;
  if (address / kPage != last / kPage) Violation("a burst across 4 KB");
}

// What was valid and not taken in the last cycle has to be there still.
void AxiMemory::CheckStable(const Port& port) {
  const AxiPort &now = port.signals, &was = port.previous;
  if (was.arvalid && !was.arready && !(now.arvalid && now.araddr == was.araddr && now.arlen == was.arlen)) {
    Violation("a read address that changed while it waited");
  }
  if (was.awvalid && !was.awready && !(now.awvalid && now.awaddr == was.awaddr && now.awlen == was.awlen)) {
    Violation("a write address that changed while it waited");
  }
  if (was.wvalid && !was.wready &&
      !(now.wvalid && now.wdata == was.wdata && now.wstrb == was.wstrb && now.wlast == was.wlast)) {
    Violation("write data that changed while they waited");
  }
}

uint8_t AxiMemory::Response(uint64_t address) const {
  if (address < options_.base || address - options_.base + kBeatBytes > options_.bytes) return kDecErr;
  for (const Range& range : errors_) {
    if (address < range.end && address + kBeatBytes > range.begin) return kSlvErr;
  }
  return 0;
}

void AxiMemory::TakeRead(Port& port) {
  AxiPort& s = port.signals;
  if (s.rvalid && s.rready) {
    Burst& burst = port.reads.front();
    ++statistics_.read_beats;
    if (s.rresp != 0) ++statistics_.error_responses;
    if (++burst.done == burst.beats) port.reads.pop_front();
    s.rvalid = false;
  }
  if (s.arvalid && s.arready) {
    CheckAddress(s.araddr, s.arlen, s.arsize, s.arburst);
    Burst burst;
    burst.address = s.araddr;
    burst.beats = s.arlen + 1;
    burst.arrival = static_cast<double>(statistics_.cycles) + options_.latency_cycles;
    port.reads.push_back(burst);
    ++statistics_.read_bursts;
  }
}

void AxiMemory::TakeWrite(Port& port) {
  AxiPort& s = port.signals;
  if (s.bvalid && s.bready) {
    port.responses.pop_front();
    s.bvalid = false;
  }
  if (s.awvalid && s.awready) {
    CheckAddress(s.awaddr, s.awlen, s.awsize, s.awburst);
    Burst burst;
    burst.address = s.awaddr;
    burst.beats = s.awlen + 1;
    port.writes.push_back(burst);
    ++statistics_.write_bursts;
  }
  if (!s.wvalid || !s.wready) return;
  ++statistics_.write_beats;
  const auto due =
      std::find_if(port.writes.begin(), port.writes.end(), [](const Burst& b) { return b.done < b.beats; });
  if (due == port.writes.end()) {
    Violation("write data without an address");
    return;
  }
  const uint64_t address = due->address + static_cast<uint64_t>(due->done) * kBeatBytes;
  const uint8_t response = Response(address);
  due->response = std::max(due->response, response);
  for (unsigned i = 0; response == 0 && i < kBeatBytes; ++i) {
    if ((s.wstrb >> i & 1) != 0) *At(address + i) = static_cast<uint8_t>(s.wdata >> (8 * i));
  }
  if (s.wlast != (++due->done == due->beats)) Violation("wlast where it does not belong");
  if (due->done == due->beats) due->arrival = static_cast<double>(statistics_.cycles) + options_.latency_cycles;
}

// The data bus of the DRAM takes one burst after the other; a bank opens a row while the bus serves others.
void AxiMemory::Serve(Burst& burst, bool write) {
  if (options_.refresh_period_s > 0 && bus_free_ >= next_refresh_) {
    bus_free_ += CyclesOf(options_.refresh_s);
    next_refresh_ += CyclesOf(options_.refresh_period_s);
    for (Bank& bank : banks_) bank.row = -1;
    ++statistics_.refreshes;
  }
  Bank& bank = BankOf(burst.address);
  const int64_t row = RowOf(burst.address);
  double start = std::max(burst.arrival, bus_free_);
  if (bank.row != row) {
    start = std::max(start, std::max(burst.arrival, bank.ready) + CyclesOf(options_.row_miss_s));
    bank.row = row;
    ++statistics_.row_misses;
  } else {
    ++statistics_.row_hits;
  }
  if (write != last_was_write_) start += CyclesOf(options_.turnaround_s);
  last_was_write_ = write;
  burst.step = CyclesOf(kBeatBytes / options_.peak_bytes_s);
  burst.first = start + burst.step;
  burst.scheduled = true;
  bank.ready = start + burst.beats * burst.step;
  bus_free_ = bank.ready + CyclesOf(options_.burst_gap_s);
}

// The burst to serve next: of the ports in turn, one whose row is open; if there is none, one that waits.
AxiMemory::Burst* AxiMemory::NextBurst(bool* write) {
  const auto now = static_cast<double>(statistics_.cycles);
  const size_t queues = 2 * ports_.size();
  for (const bool hits_only : {true, false}) {
    for (size_t i = 0; i < queues; ++i) {
      const size_t queue = (turn_ + i) % queues;
      std::deque<Burst>& bursts = queue % 2 == 1 ? ports_[queue / 2].writes : ports_[queue / 2].reads;
      const auto next = std::find_if(bursts.begin(), bursts.end(), [](const Burst& b) { return !b.scheduled; });
      if (next == bursts.end() || next->arrival == 0 || next->arrival > now) continue;
      if (hits_only && BankOf(next->address).row != RowOf(next->address)) continue;
      turn_ = (queue + 1) % queues;
      *write = queue % 2 == 1;
      return &*next;
    }
  }
  return nullptr;
}

// As many bursts as the data bus can begin in this cycle.
void AxiMemory::ScheduleDram() {
  const auto now = static_cast<double>(statistics_.cycles);
  bus_free_ = std::max(bus_free_, now);
  while (bus_free_ < now + 1) {
    bool write = false;
    Burst* burst = NextBurst(&write);
    if (burst == nullptr) return;
    Serve(*burst, write);
  }
}

void AxiMemory::Schedule() {
  if (options_.dram) {
    ScheduleDram();
  } else {
    for (Port& port : ports_) {
      for (std::deque<Burst>* bursts : {&port.reads, &port.writes}) {
        double& free = bursts == &port.reads ? port.read_free : port.write_free;
        for (Burst& burst : *bursts) {
          if (burst.scheduled || burst.arrival == 0) continue;
          burst.step = 1;
          burst.first = std::max(burst.arrival, free);
          burst.scheduled = true;
          free = burst.first + burst.beats;
        }
      }
    }
  }
  const auto now = static_cast<double>(statistics_.cycles);
  for (Port& port : ports_) {
    while (!port.writes.empty()) {
      const Burst& burst = port.writes.front();
      if (!burst.scheduled || burst.first > now) break;
      port.responses.push_back(burst);
      port.writes.pop_front();
    }
  }
}

// What the memory shows in the next cycle; what it shows already stays until it is taken.
void AxiMemory::Drive(Port& port) {
  AxiPort& s = port.signals;
  const auto now = static_cast<double>(statistics_.cycles);
  const auto limit = static_cast<size_t>(options_.outstanding);
  s.arready = port.reads.size() < limit && !Stalled();
  s.awready = port.writes.size() < limit && !Stalled();
  // A write buffer of as many bursts: data of later ones wait until their addresses are there.
  s.wready = std::any_of(port.writes.begin(), port.writes.end(), [](const Burst& b) { return b.done < b.beats; }) &&
             !Stalled();
  if (!s.rvalid && !port.reads.empty()) {
    const Burst& burst = port.reads.front();
    if (burst.scheduled && burst.first + burst.done * burst.step <= now && !Stalled()) {
      const uint64_t address = burst.address + static_cast<uint64_t>(burst.done) * kBeatBytes;
      s.rvalid = true;
      s.rresp = Response(address);
      s.rdata = s.rresp == 0 ? Read64(address) : 0;
      s.rlast = burst.done + 1 == burst.beats;
    }
  }
  if (!s.bvalid && !port.responses.empty() && !Stalled()) {
    s.bvalid = true;
    s.bresp = port.responses.front().response;
    if (s.bresp != 0) ++statistics_.error_responses;
  }
}

void AxiMemory::Tick() {
  for (Port& port : ports_) {
    CheckStable(port);
    port.previous = port.signals;
    TakeRead(port);
    TakeWrite(port);
  }
  ++statistics_.cycles;
  Schedule();
  for (Port& port : ports_) Drive(port);
}

}  // namespace msq::hw

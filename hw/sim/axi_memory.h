// A model of the board's DRAM behind AXI ports of 64 bits: what a test bench or a simulation connects an accelerator
// to.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace msq::hw {

// The signals of one port, by who drives them. Widths as in AXI; a field that an RTL port lacks keeps its default.
struct AxiPort {
  // The accelerator.
  bool arvalid = false;
  uint64_t araddr = 0;
  uint8_t arlen = 0, arsize = 3, arburst = 1;
  bool rready = false;
  bool awvalid = false;
  uint64_t awaddr = 0;
  uint8_t awlen = 0, awsize = 3, awburst = 1;
  bool wvalid = false;
  uint64_t wdata = 0;
  uint8_t wstrb = 0xff;
  bool wlast = false;
  bool bready = false;
  // The memory. They change in Tick alone.
  bool arready = false;
  bool rvalid = false;
  uint64_t rdata = 0;
  uint8_t rresp = 0;
  bool rlast = false;
  bool awready = false;
  bool wready = false;
  bool bvalid = false;
  uint8_t bresp = 0;
};

struct AxiMemoryOptions {
  int ports = 1;
  uint64_t base = 0;          // address of the first byte
  uint64_t bytes = 1u << 20;  // beyond: DECERR
  double clock_hz = 100e6;    // of the accelerator
  int latency_cycles = 40;    // from an accepted address to the first beat, nothing else going on
  int outstanding = 8;        // bursts a port takes before it lets addresses wait, reads and writes apart
  bool dram = false;          // false: no limit but one beat a cycle and port; true: the limits below
  double peak_bytes_s = 0;    // of the data bus, shared by all ports
  double burst_gap_s = 0;     // of the bus between two AXI bursts
  double turnaround_s = 0;    // of the bus between a read and a write
  double row_miss_s = 0;      // precharge and activation of a row; a bank does it while others transfer
  int banks = 8;
  int row_bytes = 4096;  // of one row of one bank
  double refresh_period_s = 0;
  double refresh_s = 0;  // the bus stands still, all rows are closed
  double stall = 0;      // probability that a ready, or a beat or response that could come, does not this cycle
  uint64_t seed = 0;

  // One beat a cycle and port, always.
  static AxiMemoryOptions Ideal(int ports = 1);
  // The Zynq-7000's DDR3-1066, 32 bits wide, as its high-performance ports see it from a 100 MHz fabric. Peak 4.26 GB/s
  // (rtl.md, section 3); the gaps make it the 75 % or so that UG585 says to plan on. Timing: DDR3-1066 7-7-7 (tRP =
  // tRCD = 13.1 ns), tREFI 7.8 us, tRFC 160 ns (2 Gbit), pages of 2 KB in two chips.
  static AxiMemoryOptions ZynqDdr3(int ports);
  // Ideal, with every handshake stalled at random.
  static AxiMemoryOptions RandomStalls(uint64_t seed, int ports = 1);
};

struct AxiMemoryStatistics {
  uint64_t cycles = 0;
  uint64_t read_beats = 0, write_beats = 0;
  uint64_t read_bursts = 0, write_bursts = 0;
  uint64_t row_hits = 0, row_misses = 0, refreshes = 0;
  uint64_t error_responses = 0;
  uint64_t violations = 0;      // of the protocol, by the accelerator
  std::string first_violation;  // what the first one was

  uint64_t bytes() const { return 8 * (read_beats + write_beats); }
};

// Use, once a clock cycle: let the design settle with the memory's outputs of this cycle, copy its outputs into port(),
// call Tick, clock the design, and hand it the memory's new outputs.
//
// Bursts of a port are served in order (reads and writes apart); the DRAM serves the ports in turn,
// those first whose row is open. Data written are in
// the memory when their last beat has been taken.
class AxiMemory {
 public:
  explicit AxiMemory(const AxiMemoryOptions& options);

  AxiPort& port(int index) { return ports_[static_cast<size_t>(index)].signals; }
  void Tick();

  // From outside the simulation; addresses are those of the bus and must lie inside.
  uint8_t* At(uint64_t address) { return &data_[address - options_.base]; }
  uint64_t Read64(uint64_t address) const;
  void Write64(uint64_t address, uint64_t value);

  // Accesses to [begin, end) are answered SLVERR from now on.
  void InjectErrors(uint64_t begin, uint64_t end) { errors_.push_back({begin, end}); }
  void ClearErrors() { errors_.clear(); }

  const AxiMemoryOptions& options() const { return options_; }
  const AxiMemoryStatistics& statistics() const { return statistics_; }

 private:
  struct Burst {
    uint64_t address = 0;
    int beats = 0;
    int done = 0;        // beats handed out (reads) or taken (writes)
    double arrival = 0;  // cycle at which the DRAM may begin with it
    bool scheduled = false;
    double first = 0, step = 0;  // cycles at which beat i is ready: first + i * step
    uint8_t response = 0;
  };
  struct Port {
    AxiPort signals, previous;
    std::deque<Burst> reads, writes, responses;
    double read_free = 0, write_free = 0;  // for ideal memory: when the port's bus is free
  };
  struct Range {
    uint64_t begin, end;
  };
  struct Bank {
    int64_t row = -1;
    double ready = 0;
  };

  void CheckStable(const Port& port);
  void CheckAddress(uint64_t address, int len, int size, int burst);
  void Violation(const std::string& what);
  void TakeRead(Port& port);
  void TakeWrite(Port& port);
  void Drive(Port& port);
  void Schedule();
  void ScheduleDram();
  Burst* NextBurst(bool* write);
  void Serve(Burst& burst, bool write);
  uint8_t Response(uint64_t address) const;
  uint64_t PageOf(uint64_t address) const { return address / static_cast<uint64_t>(options_.row_bytes); }
  Bank& BankOf(uint64_t address) { return banks_[PageOf(address) % banks_.size()]; }
  int64_t RowOf(uint64_t address) const { return static_cast<int64_t>(PageOf(address) / banks_.size()); }
  double CyclesOf(double seconds) const { return seconds * options_.clock_hz; }
  bool Stalled();

  AxiMemoryOptions options_;
  std::vector<uint8_t> data_;
  std::vector<Port> ports_;
  std::vector<Range> errors_;
  std::vector<Bank> banks_;
  AxiMemoryStatistics statistics_;
  double bus_free_ = 0;
  double next_refresh_ = 0;
  bool last_was_write_ = false;
  size_t turn_ = 0;
  uint64_t random_;
};

}  // namespace msq::hw

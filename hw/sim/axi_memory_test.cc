// The model of DRAM: data, order, errors, what it says about a master that breaks the rules, and how fast it is.
#include "hw/sim/axi_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <random>
#include <vector>

namespace msq::hw {
namespace {

// Reads bursts of 16 beats on all ports without a pause, each port from a region of its own; beats a cycle, all
// together. The regions are so far apart that they share a bank, or not.
double ReadRate(AxiMemoryOptions options, int cycles, uint64_t region = (1u << 18) + 4096) {
  options.bytes = region * static_cast<uint64_t>(options.ports);
  AxiMemory memory(options);
  for (int p = 0; p < options.ports; ++p) {
    AxiPort& port = memory.port(p);
    port.rready = port.arvalid = true;
    port.arlen = 15;
    port.araddr = static_cast<uint64_t>(p) * region;
  }
  for (int i = 0; i < cycles; ++i) {
    std::vector<bool> taken;
    for (int p = 0; p < options.ports; ++p) taken.push_back(memory.port(p).arready);
    memory.Tick();
    for (int p = 0; p < options.ports; ++p) {
      AxiPort& port = memory.port(p);
      if (taken[static_cast<size_t>(p)]) port.araddr += 128;
      if (port.araddr == static_cast<uint64_t>(p + 1) * region) port.araddr -= region;
    }
  }
  EXPECT_EQ(memory.statistics().violations, 0u) << memory.statistics().first_violation;
  return static_cast<double>(memory.statistics().read_beats) / cycles;
}

TEST(AxiMemoryTest, TheDramIsSharedAndLessThanItsPeak) {
  EXPECT_NEAR(ReadRate(AxiMemoryOptions::Ideal(4), 20'000), 4, 0.01);
  const double one = ReadRate(AxiMemoryOptions::ZynqDdr3(1), 20'000);
  const double two = ReadRate(AxiMemoryOptions::ZynqDdr3(2), 20'000);
  const double four = ReadRate(AxiMemoryOptions::ZynqDdr3(4), 20'000);
  EXPECT_GT(one, 0.96);
  EXPECT_GT(two, 1.92);
  AxiMemoryOptions fast = AxiMemoryOptions::ZynqDdr3(4);
  fast.clock_hz = 200e6;
  const double bytes_s = ReadRate(fast, 40'000) * 8 * fast.clock_hz;
  printf("beats a cycle at 100 MHz: 1 port %.3f, 2 ports %.3f, 4 ports %.3f; 4 ports at 200 MHz: %.2f GB/s\n", one, two,
         four, bytes_s * 1e-9);
  EXPECT_GT(bytes_s, 0.72 * fast.peak_bytes_s);
  EXPECT_LT(bytes_s, 0.82 * fast.peak_bytes_s);
  EXPECT_LE(four * 8 * 100e6, bytes_s * 1.02);
}

TEST(AxiMemoryTest, TheFirstBeatComesAfterTheLatency) {
  for (const int latency : {1, 17, 40}) {
    AxiMemoryOptions options = AxiMemoryOptions::Ideal();
    options.latency_cycles = latency;
    AxiMemory memory(options);
    memory.Tick();
    memory.port(0).arvalid = memory.port(0).rready = true;
    ASSERT_TRUE(memory.port(0).arready);
    int cycles = 0;
    for (; !memory.port(0).rvalid && cycles < 100; ++cycles) {
      memory.Tick();
      memory.port(0).arvalid = false;
    }
    EXPECT_EQ(cycles, latency);
  }
}

// A master that writes and reads at random and obeys the rules.
struct Master {
  struct Burst {
    uint64_t address;
    int beats;
    int done = 0;
  };
  std::mt19937_64 random{5};
  std::vector<uint64_t> expected;
  std::deque<Burst> reads, writes;
  bool aw_sent = false;
  uint64_t beats = 0, errors = 0;

  Burst Next() {
    const int beats = 1 + static_cast<int>(random() % 16);
    const uint64_t address = random() % (expected.size() - 512);
    const uint64_t in_page = address % 512;
    return {8 * (in_page + static_cast<uint64_t>(beats) > 512 ? address - 16 : address), beats};
  }

  // What moved in the cycle that Tick has just ended, given the memory's outputs before.
  void Advance(AxiPort& port, const AxiPort& before) {
    if (before.arvalid && before.arready) port.arvalid = false;
    if (before.rvalid && before.rready) {
      Burst& burst = reads.front();
      const uint64_t word = burst.address / 8 + static_cast<uint64_t>(burst.done);
      if (before.rresp == 0) {
        EXPECT_EQ(before.rdata, expected[word]);
      } else {
        ++errors;
      }
      EXPECT_EQ(before.rlast, burst.done + 1 == burst.beats);
      ++beats;
      if (++burst.done == burst.beats) reads.pop_front();
    }
    if (before.awvalid && before.awready) port.awvalid = false;
    if (before.wvalid && before.wready) {
      Burst& burst = writes.front();
      expected[burst.address / 8 + static_cast<uint64_t>(burst.done)] = before.wdata;
      port.wvalid = false;
      if (++burst.done == burst.beats) writes.pop_front();
    }
    if (before.bvalid && before.bready) aw_sent = false;
  }

  // Writes only while no read is under way and the reverse, so that what a read gives is known.
  void Drive(AxiPort& port) {
    port.rready = random() % 2 == 0;
    port.bready = random() % 2 == 0;
    if (reads.size() < 3 && !port.arvalid && !aw_sent && random() % 2 == 0) {
      reads.push_back(Next());
      port.arvalid = true;
      port.araddr = reads.back().address;
      port.arlen = static_cast<uint8_t>(reads.back().beats - 1);
    }
    if (!aw_sent && reads.empty() && random() % 2 == 0) {
      writes.push_back(Next());
      aw_sent = port.awvalid = true;
      port.awaddr = writes.back().address;
      port.awlen = static_cast<uint8_t>(writes.back().beats - 1);
    }
    if (!writes.empty() && !port.wvalid && random() % 2 == 0) {
      port.wvalid = true;
      port.wdata = random();
      port.wlast = writes.front().done + 1 == writes.front().beats;
    }
  }
};

TEST(AxiMemoryTest, ReadsGiveWhatWasWritten) {
  for (const bool dram : {false, true}) {
    AxiMemoryOptions options = dram ? AxiMemoryOptions::ZynqDdr3(1) : AxiMemoryOptions::RandomStalls(3);
    options.bytes = 1 << 15;
    AxiMemory memory(options);
    Master master;
    master.expected.resize(options.bytes / 8);
    for (int i = 0; i < 100'000; ++i) {
      master.Drive(memory.port(0));
      const AxiPort before = memory.port(0);
      memory.Tick();
      master.Advance(memory.port(0), before);
    }
    EXPECT_GT(master.beats, 5'000u);
    EXPECT_EQ(master.errors, 0u);
    EXPECT_EQ(memory.statistics().violations, 0u) << memory.statistics().first_violation;
  }
}

TEST(AxiMemoryTest, AnswersErrorsWhereAskedTo) {
  AxiMemory memory(AxiMemoryOptions::Ideal());
  memory.InjectErrors(0x100, 0x108);
  memory.Tick();
  AxiPort& port = memory.port(0);
  port.arvalid = port.rready = true;
  port.araddr = 0xf8;
  port.arlen = 2;
  std::vector<int> responses;
  for (int i = 0; i < 10; ++i) {
    memory.Tick();
    port.arvalid = false;
    if (port.rvalid) responses.push_back(port.rresp);
  }
  EXPECT_EQ(responses, (std::vector<int>{0, 2, 0}));
  EXPECT_EQ(memory.statistics().error_responses, 1u);
  memory.ClearErrors();
  port.arvalid = true;
  port.araddr = memory.options().bytes - 8;
  port.arlen = 1;
  for (int i = 0; i < 10; ++i) {
    memory.Tick();
    port.arvalid = false;
  }
  EXPECT_EQ(port.rresp, 3);
}

TEST(AxiMemoryTest, CountsWhatIsAgainstTheProtocol) {
  const std::vector<std::pair<std::string, std::function<void(AxiPort&)>>> cases = {
      {"INCR", [](AxiPort& p) { p.arburst = 2; }},
      {"8 bytes", [](AxiPort& p) { p.arsize = 2; }},
      {"16 beats", [](AxiPort& p) { p.arlen = 16; }},
      {"aligned", [](AxiPort& p) { p.araddr = 4; }},
      {"4 KB", [](AxiPort& p) { p.araddr = 4096 - 8, p.arlen = 1; }},
  };
  for (const auto& [what, spoil] : cases) {
    AxiMemory memory(AxiMemoryOptions::Ideal());
    memory.Tick();
    memory.port(0).arvalid = true;
    spoil(memory.port(0));
    memory.Tick();
    EXPECT_EQ(memory.statistics().violations, 1u) << what;
    EXPECT_NE(memory.statistics().first_violation.find(what), std::string::npos) << memory.statistics().first_violation;
  }
  AxiMemory memory(AxiMemoryOptions::Ideal());
  memory.port(0).arvalid = true;  // not ready in the first cycle
  memory.Tick();
  memory.port(0).araddr = 8;
  memory.Tick();
  EXPECT_EQ(memory.statistics().violations, 1u);
}

}  // namespace
}  // namespace msq::hw

// The read port: clients at random against a memory that stalls at random; window errors, error responses, priority.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

#include "Vmsq_axi_rd_test_dut.h"
#include "hw/rtl/testing/axi_connection.h"

namespace msq::hw {
namespace {

constexpr int kClients = 3;
constexpr uint64_t kBase = 0x10000, kBytes = 0x8000;

class Bench {
 public:
  explicit Bench(AxiMemoryOptions options) : memory((options.base = kBase, options.bytes = kBytes, options)) {
    for (uint64_t a = kBase; a < kBase + kBytes; a += 8) memory.Write64(a, random());
    dut.win_base_i = kBase;
    dut.win_size_i = kBytes;
    for (int i = 0; i < 3; ++i) Cycle();
    dut.rst_ni = 1;
  }

  // A burst that crosses no 4 KB boundary; outside the window when asked to.
  void Request(int client, uint64_t address, int burst) {
    SetBits(dut.req_valid_i, client, 1, 1);
    SetBits(dut.req_addr_i, client * 48, 48, address);
    SetBits(dut.req_beats_i, client * 5, 5, static_cast<uint64_t>(burst));
  }

  void RequestRandom(int client, double beyond) {
    const int burst = 1 + static_cast<int>(random() % 16);
    const uint64_t in_page = 8 * (random() % static_cast<uint64_t>(512 - burst + 1));
    const bool below = random() % 2 == 0;
    uint64_t page = random() % (kBytes / 4096);
    if (std::uniform_real_distribution<>(0, 1)(random) < beyond) {
      page = below ? uint64_t{0} - 1 - random() % 3 : kBytes / 4096 + random() % 3;
    }
    Request(client, kBase + page * 4096 + in_page, burst);
  }

  bool waiting(int client) const { return GetBits(dut.req_valid_i, client, 1) != 0; }

  void Cycle() {
    DriveReadPort(dut, memory, 0);
    dut.clk_i = 0;
    dut.eval();
    Check();
    SampleReadPort(dut, memory, 0);
    const auto ready = dut.req_ready_o;
    for (int c = 0; c < kClients; ++c) {
      if (!waiting(c) || (ready >> c & 1) == 0) continue;
      Accept(c);
    }
    memory.Tick();
    dut.clk_i = 1;
    dut.eval();
    for (int c = 0; c < kClients; ++c) {
      if ((ready >> c & 1) != 0) SetBits(dut.req_valid_i, c, 1, 0);
    }
  }

  void Drain() {
    for (int i = 0; i < 2000 && !(dut.idle_o != 0 && dut.req_valid_i == 0); ++i) Cycle();
    for (int i = 0; i < 3; ++i) Cycle();
    for (int c = 0; c < kClients; ++c) EXPECT_TRUE(due_[c].empty());
    EXPECT_TRUE(dut.idle_o);
    EXPECT_EQ(memory.statistics().violations, 0u) << memory.statistics().first_violation;
  }

  Vmsq_axi_rd_test_dut dut;
  AxiMemory memory;
  std::mt19937_64 random{1};
  uint64_t beats = 0, errors = 0, range_errors = 0, outside = 0;
  std::vector<int> order;

 private:
  struct Beat {
    uint64_t data;
    bool last;
    bool check;
  };

  void Accept(int client) {
    for (int other = 0; other < client; ++other) EXPECT_FALSE(waiting(other)) << "a client of higher priority waits";
    const uint64_t address = GetBits(dut.req_addr_i, client * 48, 48);
    const int burst = static_cast<int>(GetBits(dut.req_beats_i, client * 5, 5));
    const uint64_t bytes = 8 * static_cast<uint64_t>(burst);
    const bool beyond = address < kBase || address + bytes > kBase + kBytes;
    outside += beyond;
    order.push_back(client);
    for (int i = 0; i < burst; ++i) {
      const uint64_t at = address + 8 * static_cast<uint64_t>(i);
      const bool fails = !beyond && at >= broken && at < broken + 0x1000;
      due_[client].push_back({beyond ? 0 : memory.Read64(at), i == burst - 1, !fails});
    }
  }

  void Check() {
    errors += dut.err_o;
    range_errors += dut.range_err_o;
    for (int c = 0; c < kClients; ++c) {
      if ((dut.data_valid_o >> c & 1) == 0) continue;
      ++beats;
      ASSERT_FALSE(due_[c].empty());
      const Beat beat = due_[c].front();
      due_[c].pop_front();
      if (beat.check) {
        ASSERT_EQ(dut.data_o, beat.data);
      }
      ASSERT_EQ(dut.data_last_o, beat.last);
    }
  }

  std::deque<Beat> due_[kClients];

 public:
  uint64_t broken = ~uint64_t{0} - 0x1000;
};

TEST(AxiRdTest, GivesEachClientItsWordsInOrder) {
  for (const double stall : {0.0, 0.4, 0.8}) {
    AxiMemoryOptions options = AxiMemoryOptions::RandomStalls(3);
    options.stall = stall;
    Bench bench(options);
    for (int i = 0; i < 20'000 && !testing::Test::HasFatalFailure(); ++i) {
      for (int c = 0; c < kClients; ++c) {
        if (!bench.waiting(c) && bench.random() % 20 == 0) bench.RequestRandom(c, 0.2);
      }
      bench.Cycle();
    }
    bench.Drain();
    EXPECT_GT(bench.beats, 3'000u);
    EXPECT_GT(bench.outside, 10u);
    EXPECT_EQ(bench.range_errors, bench.outside);
    EXPECT_EQ(bench.errors, 0u);
  }
}

TEST(AxiRdTest, ChecksBothEndsOfTheWindow) {
  Bench bench(AxiMemoryOptions::Ideal());
  const std::vector<std::pair<uint64_t, int>> cases = {
      {kBase, 16},    {kBase + kBytes - 128, 16},     {kBase + kBytes - 8, 1},
      {kBase - 8, 1}, {kBase + kBytes - 8, 2},        {kBase + kBytes, 1},
      {0, 16},        {(uint64_t{1} << 48) - 128, 16}};
  for (const auto& [address, beats] : cases) {
    const uint64_t before = bench.range_errors, outside = bench.outside;
    bench.Request(1, address, beats);
    bench.Cycle();
    bench.Drain();
    EXPECT_EQ(bench.range_errors - before, bench.outside - outside) << std::hex << address << " " << beats;
  }
  EXPECT_EQ(bench.outside, 5u);
  EXPECT_EQ(bench.beats, 16u + 16 + 1 + 1 + 2 + 1 + 16 + 16);
}

TEST(AxiRdTest, ReportsErrorResponses) {
  Bench bench(AxiMemoryOptions::RandomStalls(4));
  bench.broken = kBase + 0x1000;
  bench.memory.InjectErrors(bench.broken, bench.broken + 0x1000);
  for (int i = 0; i < 10'000 && !testing::Test::HasFatalFailure(); ++i) {
    if (!bench.waiting(0)) bench.RequestRandom(0, 0);
    bench.Cycle();
  }
  bench.Drain();
  EXPECT_GT(bench.errors, 10u);
  EXPECT_EQ(bench.errors, bench.memory.statistics().error_responses);
}

TEST(AxiRdTest, KeepsThePortBusyDespiteTheLatency) {
  AxiMemoryOptions options = AxiMemoryOptions::Ideal();
  options.latency_cycles = 40;
  Bench bench(options);
  constexpr int kCycles = 10'000;
  for (int i = 0; i < kCycles; ++i) {
    for (int c = 0; c < kClients; ++c) {
      if (!bench.waiting(c)) bench.Request(c, kBase + 128 * (bench.random() % (kBytes / 128)), 16);
    }
    bench.Cycle();
  }
  EXPECT_GT(static_cast<double>(bench.beats) / kCycles, 0.97);
}

}  // namespace
}  // namespace msq::hw

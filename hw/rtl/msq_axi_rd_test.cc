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
  explicit Bench(AxiMemoryOptions options) : memory_((options.base = kBase, options.bytes = kBytes, options)) {
    for (uint64_t a = kBase; a < kBase + kBytes; a += 8) memory_.Write64(a, random_());
    dut_.win_base_i = kBase;
    dut_.win_size_i = kBytes;
    for (int i = 0; i < 3; ++i) Cycle();
    dut_.rst_ni = 1;
  }

  // A burst that crosses no 4 KB boundary; outside the window when asked to.
  void Request(int client, uint64_t address, int beats) {
    SetBits(dut_.req_valid_i, client, 1, 1);
    SetBits(dut_.req_addr_i, client * 48, 48, address);
    SetBits(dut_.req_beats_i, client * 5, 5, static_cast<uint64_t>(beats));
  }

  void RequestRandom(int client, double outside) {
    const int beats = 1 + static_cast<int>(random_() % 16);
    const uint64_t in_page = 8 * (random_() % static_cast<uint64_t>(512 - beats + 1));
    const bool below = random_() % 2 == 0;
    uint64_t page = random_() % (kBytes / 4096);
    if (std::uniform_real_distribution<>(0, 1)(random_) < outside) {
      page = below ? uint64_t{0} - 1 - random_() % 3 : kBytes / 4096 + random_() % 3;
    }
    Request(client, kBase + page * 4096 + in_page, beats);
  }

  bool waiting(int client) const { return GetBits(dut_.req_valid_i, client, 1) != 0; }

  void Cycle() {
    DriveReadPort(dut_, memory_, 0);
    dut_.clk_i = 0;
    dut_.eval();
    Check();
    SampleReadPort(dut_, memory_, 0);
    const auto ready = dut_.req_ready_o;
    for (int c = 0; c < kClients; ++c) {
      if (!waiting(c) || (ready >> c & 1) == 0) continue;
      Accept(c);
    }
    memory_.Tick();
    dut_.clk_i = 1;
    dut_.eval();
    for (int c = 0; c < kClients; ++c) {
      if ((ready >> c & 1) != 0) SetBits(dut_.req_valid_i, c, 1, 0);
    }
  }

  void Drain() {
    for (int i = 0; i < 2000 && !(dut_.idle_o != 0 && dut_.req_valid_i == 0); ++i) Cycle();
    for (int i = 0; i < 3; ++i) Cycle();
    for (int c = 0; c < kClients; ++c) EXPECT_TRUE(due_[c].empty());
    EXPECT_TRUE(dut_.idle_o);
    EXPECT_EQ(memory_.statistics().violations, 0u) << memory_.statistics().first_violation;
  }

  Vmsq_axi_rd_test_dut dut_;
  AxiMemory memory_;
  std::mt19937_64 random_{1};
  uint64_t beats_ = 0, errors_ = 0, range_errors_ = 0, outside_ = 0;
  std::vector<int> order_;

 private:
  struct Beat {
    uint64_t data;
    bool last;
    bool check;
  };

  void Accept(int client) {
    for (int other = 0; other < client; ++other) EXPECT_FALSE(waiting(other)) << "a client of higher priority waits";
    const uint64_t address = GetBits(dut_.req_addr_i, client * 48, 48);
    const int beats = static_cast<int>(GetBits(dut_.req_beats_i, client * 5, 5));
    const uint64_t bytes = 8 * static_cast<uint64_t>(beats);
    const bool outside = address < kBase || address + bytes > kBase + kBytes;
    outside_ += outside;
    order_.push_back(client);
    for (int i = 0; i < beats; ++i) {
      const uint64_t at = address + 8 * static_cast<uint64_t>(i);
      const bool broken = !outside && at >= broken_ && at < broken_ + 0x1000;
      due_[client].push_back({outside ? 0 : memory_.Read64(at), i == beats - 1, !broken});
    }
  }

  void Check() {
    errors_ += dut_.err_o;
    range_errors_ += dut_.range_err_o;
    for (int c = 0; c < kClients; ++c) {
      if ((dut_.data_valid_o >> c & 1) == 0) continue;
      ++beats_;
      ASSERT_FALSE(due_[c].empty());
      const Beat beat = due_[c].front();
      due_[c].pop_front();
      if (beat.check) {
        ASSERT_EQ(dut_.data_o, beat.data);
      }
      ASSERT_EQ(dut_.data_last_o, beat.last);
    }
  }

  std::deque<Beat> due_[kClients];

 public:
  uint64_t broken_ = ~uint64_t{0} - 0x1000;
};

TEST(AxiRdTest, GivesEachClientItsWordsInOrder) {
  for (const double stall : {0.0, 0.4, 0.8}) {
    AxiMemoryOptions options = AxiMemoryOptions::RandomStalls(3);
    options.stall = stall;
    Bench bench(options);
    for (int i = 0; i < 20'000 && !testing::Test::HasFatalFailure(); ++i) {
      for (int c = 0; c < kClients; ++c) {
        if (!bench.waiting(c) && bench.random_() % 20 == 0) bench.RequestRandom(c, 0.2);
      }
      bench.Cycle();
    }
    bench.Drain();
    EXPECT_GT(bench.beats_, 3'000u);
    EXPECT_GT(bench.outside_, 10u);
    EXPECT_EQ(bench.range_errors_, bench.outside_);
    EXPECT_EQ(bench.errors_, 0u);
  }
}

TEST(AxiRdTest, ChecksBothEndsOfTheWindow) {
  Bench bench(AxiMemoryOptions::Ideal());
  const std::vector<std::pair<uint64_t, int>> cases = {
      {kBase, 16},    {kBase + kBytes - 128, 16},     {kBase + kBytes - 8, 1},
      {kBase - 8, 1}, {kBase + kBytes - 8, 2},        {kBase + kBytes, 1},
      {0, 16},        {(uint64_t{1} << 48) - 128, 16}};
  for (const auto& [address, beats] : cases) {
    const uint64_t before = bench.range_errors_, outside = bench.outside_;
    bench.Request(1, address, beats);
    bench.Cycle();
    bench.Drain();
    EXPECT_EQ(bench.range_errors_ - before, bench.outside_ - outside) << std::hex << address << " " << beats;
  }
  EXPECT_EQ(bench.outside_, 5u);
  EXPECT_EQ(bench.beats_, 16u + 16 + 1 + 1 + 2 + 1 + 16 + 16);
}

TEST(AxiRdTest, ReportsErrorResponses) {
  Bench bench(AxiMemoryOptions::RandomStalls(4));
  bench.broken_ = kBase + 0x1000;
  bench.memory_.InjectErrors(bench.broken_, bench.broken_ + 0x1000);
  for (int i = 0; i < 10'000 && !testing::Test::HasFatalFailure(); ++i) {
    if (!bench.waiting(0)) bench.RequestRandom(0, 0);
    bench.Cycle();
  }
  bench.Drain();
  EXPECT_GT(bench.errors_, 10u);
  EXPECT_EQ(bench.errors_, bench.memory_.statistics().error_responses);
}

TEST(AxiRdTest, KeepsThePortBusyDespiteTheLatency) {
  AxiMemoryOptions options = AxiMemoryOptions::Ideal();
  options.latency_cycles = 40;
  Bench bench(options);
  constexpr int kCycles = 10'000;
  for (int i = 0; i < kCycles; ++i) {
    for (int c = 0; c < kClients; ++c) {
      if (!bench.waiting(c)) bench.Request(c, kBase + 128 * (bench.random_() % (kBytes / 128)), 16);
    }
    bench.Cycle();
  }
  EXPECT_GT(static_cast<double>(bench.beats_) / kCycles, 0.97);
}

}  // namespace
}  // namespace msq::hw

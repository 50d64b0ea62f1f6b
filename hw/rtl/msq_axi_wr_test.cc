// The write port: bursts at random against a memory that stalls at random; window errors, error responses, idle.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

#include "Vmsq_axi_wr_test_dut.h"
#include "hw/rtl/testing/axi_connection.h"

namespace msq::hw {
namespace {

constexpr uint64_t kBase = 0x4000, kBytes = 0x4000;

class Bench {
 public:
  explicit Bench(AxiMemoryOptions options) : memory((options.base = kBase, options.bytes = kBytes, options)) {
    dut.win_base_i = kBase;
    dut.win_size_i = kBytes;
    for (int i = 0; i < 3; ++i) Cycle();
    dut.rst_ni = 1;
  }

  void Request(bool outside) {
    const int burst = 1 + static_cast<int>(random() % 16);
    const uint64_t in_page = 8 * (random() % static_cast<uint64_t>(512 - burst + 1));
    const uint64_t page = outside ? kBytes / 4096 + random() % 4 : random() % (kBytes / 4096);
    dut.req_valid_i = 1;
    dut.req_addr_i = kBase + page * 4096 + in_page;
    dut.req_beats_i = static_cast<uint8_t>(burst);
  }

  // Data come before or after their request, as long as they are in order.
  void Step(double give) {
    if (dut.wdata_valid_i == 0 && !due.empty() && std::uniform_real_distribution<>(0, 1)(random) < give) {
      dut.wdata_valid_i = 1;
      dut.wdata_i = random();
    }
    Cycle();
  }

  void Cycle() {
    DriveWritePort(dut, memory);
    dut.clk_i = 0;
    dut.eval();
    errors += dut.err_o;
    range_errors += dut.range_err_o;
    const bool accepted = dut.req_valid_i != 0 && dut.req_ready_o != 0;
    const bool taken = dut.wdata_valid_i != 0 && dut.wdata_ready_o != 0;
    if (taken) {
      ASSERT_FALSE(due.empty());
      if (due.front() != 0) expected[due.front()] = dut.wdata_i;
      due.pop_front();
      ++beats;
    }
    if (accepted) {
      for (uint64_t i = 0; i < dut.req_beats_i; ++i) {
        const bool outside = dut.req_addr_i + 8 * uint64_t{dut.req_beats_i} > kBase + kBytes;
        due.push_back(outside ? 0 : dut.req_addr_i + 8 * i);
      }
    }
    if (dut.rst_ni != 0 && dut.idle_o != 0) {
      EXPECT_EQ(memory.port(0).bvalid, 0);
      EXPECT_TRUE(due.size() == (accepted ? dut.req_beats_i : 0u));
    }
    SampleWritePort(dut, memory);
    memory.Tick();
    dut.clk_i = 1;
    dut.eval();
    if (accepted) dut.req_valid_i = 0;
    if (taken) dut.wdata_valid_i = 0;
  }

  void Drain() {
    for (int i = 0; i < 5000 && !(dut.idle_o != 0 && due.empty()); ++i) Step(1);
    EXPECT_TRUE(dut.idle_o);
    EXPECT_TRUE(due.empty());
    EXPECT_EQ(memory.statistics().violations, 0u) << memory.statistics().first_violation;
  }

  Vmsq_axi_wr_test_dut dut;
  AxiMemory memory;
  std::mt19937_64 random{1};
  std::deque<uint64_t> due;  // addresses of beats of accepted bursts; 0: to be swallowed
  std::map<uint64_t, uint64_t> expected;
  uint64_t beats = 0, errors = 0, range_errors = 0;
};

TEST(AxiWrTest, WritesWhatItIsGiven) {
  for (const double stall : {0.0, 0.5}) {
    AxiMemoryOptions options = AxiMemoryOptions::RandomStalls(7);
    options.stall = stall;
    Bench bench(options);
    uint64_t outside = 0;
    for (int i = 0; i < 30'000 && !testing::Test::HasFatalFailure(); ++i) {
      if (bench.dut.req_valid_i == 0 && bench.random() % 16 == 0) {
        const bool out = bench.random() % 8 == 0;
        outside += out;
        bench.Request(out);
      }
      bench.Step(0.7);
    }
    while (bench.dut.req_valid_i != 0) bench.Step(1);
    bench.Drain();
    EXPECT_EQ(bench.range_errors, outside);
    EXPECT_EQ(bench.errors, 0u);
    EXPECT_GT(bench.beats, 5'000u);
    for (const auto& [address, value] : bench.expected) ASSERT_EQ(bench.memory.Read64(address), value) << address;
    EXPECT_GT(bench.expected.size(), 1'000u);
  }
}

// AXI lets a slave wait for both valids before it takes either.
TEST(AxiWrTest, DataDoNotWaitForTheAddress) {
  Vmsq_axi_wr_test_dut dut;
  const auto clock = [&dut] {
    dut.clk_i = 0;
    dut.eval();
    dut.clk_i = 1;
    dut.eval();
  };
  for (int i = 0; i < 3; ++i) clock();
  dut.rst_ni = 1;
  dut.win_base_i = kBase;
  dut.win_size_i = kBytes;
  dut.req_valid_i = 1;
  dut.req_addr_i = kBase;
  dut.req_beats_i = 2;
  dut.wdata_valid_i = 1;
  for (int i = 0; i < 20; ++i) {
    clock();
    EXPECT_LE(dut.m_wvalid_o, dut.m_awvalid_o);
    if (dut.req_ready_o == 0) dut.req_valid_i = 0;
  }
  EXPECT_TRUE(dut.m_awvalid_o);
  EXPECT_TRUE(dut.m_wvalid_o);
}

TEST(AxiWrTest, ReportsErrorResponses) {
  Bench bench(AxiMemoryOptions::RandomStalls(8));
  bench.memory.InjectErrors(kBase, kBase + 0x1000);
  for (int i = 0; i < 10'000; ++i) {
    if (bench.dut.req_valid_i == 0) bench.Request(false);
    bench.Step(1);
  }
  while (bench.dut.req_valid_i != 0) bench.Step(1);
  bench.Drain();
  EXPECT_GT(bench.errors, 10u);
  EXPECT_EQ(bench.errors, bench.memory.statistics().error_responses);
}

TEST(AxiWrTest, WritesABeatACycle) {
  AxiMemoryOptions options = AxiMemoryOptions::Ideal();
  options.latency_cycles = 40;
  Bench bench(options);
  constexpr int kCycles = 10'000;
  for (int i = 0; i < kCycles; ++i) {
    if (bench.dut.req_valid_i == 0) {
      bench.Request(false);
      bench.dut.req_addr_i = kBase + 128 * (bench.random() % (kBytes / 128));
      bench.dut.req_beats_i = 16;
    }
    bench.Step(1);
  }
  EXPECT_GT(static_cast<double>(bench.beats) / kCycles, 0.97);
}

}  // namespace
}  // namespace msq::hw

// LOAD and STORE behind their AXI ports: random rows, strides and steps, errors, aborts, how fast they move words.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

#include "Vmsq_move_test_dut.h"
#include "hw/rtl/testing/axi_connection.h"

namespace msq::hw {
namespace {

constexpr int64_t kBanks = 5;
constexpr uint64_t kBase = 0x20000, kBytes = 1 << 18;
// Instruction fields, as in hw/regs/instructions.json.
constexpr int kDram = 128, kRowStride = 192, kRows = 224, kRowWords = 240, kAct = 256, kStep = 280, kRowStep = 320;

uint32_t Address(int64_t word) {
  const int64_t bank = ((word % kBanks) + kBanks) % kBanks;
  return (static_cast<uint32_t>((word - bank) / kBanks) << 4 & 0xfffff0u) | static_cast<uint32_t>(bank);
}

struct Move {
  uint64_t dram;
  int64_t stride;
  int rows, words;
  int64_t act, step, row_step;

  uint64_t DramAt(int row, int word) const {
    return dram + static_cast<uint64_t>(row * stride) + 8 * static_cast<uint64_t>(word);
  }
  int64_t ActAt(int row, int word) const { return act + row * ((words - 1) * step + row_step) + word * step; }
};

class Bench {
 public:
  Bench(AxiMemoryOptions options, double stall)
      : memory((options.base = kBase, options.bytes = kBytes, options)), stall_(stall) {
    for (uint64_t a = kBase; a < kBase + kBytes; a += 8) memory.Write64(a, random());
    dut.win_base_i = kBase;
    dut.win_size_i = kBytes;
    for (int i = 0; i < 3; ++i) Cycle();
    dut.rst_ni = 1;
  }

  Move RandomMove() {
    Move move{};
    move.rows = 1 + static_cast<int>(random() % 6);
    move.words = 1 + static_cast<int>(random() % 70);
    const auto gap = static_cast<int64_t>(8 * (random() % 40));
    move.stride = random() % 2 == 0 ? 8 * move.words + gap : -(8 * move.words + gap);
    move.dram = kBase + kBytes / 2 + 8 * (random() % 1000);
    move.step = random() % 2 == 0 ? 1 : 1 + static_cast<int64_t>(random() % 23);
    if (random() % 4 == 0) move.step = -move.step;
    move.row_step = move.step > 0 ? 1 + static_cast<int64_t>(random() % 90) : -1 - static_cast<int64_t>(random() % 90);
    move.act = 20'000;
    return move;
  }

  // Runs one instruction to its end; false if it does not come.
  bool Run(const Move& move, bool load, int limit = 20'000) {
    for (auto& word : dut.cmd_instr_i.m_storage) word = static_cast<uint32_t>(random());
    SetBits(dut.cmd_instr_i, kDram, 48, move.dram);
    SetBits(dut.cmd_instr_i, kRowStride, 32, static_cast<uint32_t>(move.stride));
    SetBits(dut.cmd_instr_i, kRows, 16, static_cast<uint64_t>(move.rows));
    SetBits(dut.cmd_instr_i, kRowWords, 16, static_cast<uint64_t>(move.words));
    SetBits(dut.cmd_instr_i, kAct, 24, Address(move.act));
    SetBits(dut.cmd_instr_i, kStep, 24, Address(move.step));
    SetBits(dut.cmd_instr_i, kRowStep, 24, Address(move.row_step));
    (load ? dut.load_valid_i : dut.store_valid_i) = 1;
    done_ = false;
    for (int i = 0; i < limit && !done_; ++i) Cycle();
    return done_;
  }

  void Cycle() {
    DriveReadPort(dut, memory, 0);
    DriveWritePort(dut, memory);
    dut.clk_i = 0;
    dut.lw_ready_i = !Chance(stall_);
    dut.st_ready_i = !Chance(stall_);
    // A word comes two cycles after its grant.
    dut.st_rvalid_i = !reading_.empty() && reading_.front().first == cycle;
    if (dut.st_rvalid_i != 0) {
      dut.st_rdata_i = reading_.front().second;
      reading_.pop_front();
    }
    dut.eval();
    if (dut.lw_valid_o != 0 && dut.lw_ready_i != 0) {
      act[dut.lw_addr_o] = dut.lw_data_o;
      ++words;
    }
    if (dut.st_valid_o != 0 && dut.st_ready_i != 0) {
      reading_.push_back({cycle + 2, act[dut.st_addr_o]});
      ++words;
    }
    const bool load = dut.load_valid_i != 0 && dut.load_ready_o != 0;
    const bool store = dut.store_valid_i != 0 && dut.store_ready_o != 0;
    done_ = done_ || dut.load_done_o != 0 || dut.store_done_o != 0;
    range_errors += dut.range_err_o;
    errors += dut.error_o != 0;
    SampleReadPort(dut, memory, 0);
    SampleWritePort(dut, memory);
    memory.Tick();
    dut.clk_i = 1;
    dut.eval();
    if (load) dut.load_valid_i = 0;
    if (store) dut.store_valid_i = 0;
    ++cycle;
  }

  void ExpectQuiet() {
    for (int i = 0; i < 4; ++i) Cycle();
    EXPECT_TRUE(dut.idle_o);
    EXPECT_EQ(dut.error_o, 0);
    EXPECT_EQ(memory.statistics().violations, 0u) << memory.statistics().first_violation;
  }

  bool Chance(double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; }

  Vmsq_move_test_dut dut;
  AxiMemory memory;
  std::mt19937_64 random{11};
  std::map<uint32_t, uint64_t> act;
  uint64_t cycle = 0, words = 0, range_errors = 0, errors = 0;

 private:
  double stall_;
  bool done_ = false;
  std::deque<std::pair<uint64_t, uint64_t>> reading_;
};

TEST(MoveTest, LoadsWords) {
  uint64_t checked = 0;
  for (const double stall : {0.0, 0.5}) {
    Bench bench(AxiMemoryOptions::RandomStalls(1), stall);
    for (int i = 0; i < 60; ++i) {
      const Move move = bench.RandomMove();
      bench.act.clear();
      ASSERT_TRUE(bench.Run(move, true));
      ASSERT_EQ(bench.act.size(), static_cast<size_t>(move.rows * move.words));
      for (int r = 0; r < move.rows; ++r) {
        for (int w = 0; w < move.words; ++w, ++checked) {
          ASSERT_EQ(bench.act[Address(move.ActAt(r, w))], bench.memory.Read64(move.DramAt(r, w))) << r << " " << w;
        }
      }
      bench.ExpectQuiet();
    }
    EXPECT_EQ(bench.range_errors, 0u);
  }
  EXPECT_GT(checked, 5'000u);
}

TEST(MoveTest, StoresWordsAndNothingElse) {
  uint64_t checked = 0;
  for (const double stall : {0.0, 0.5}) {
    Bench bench(AxiMemoryOptions::RandomStalls(2), stall);
    for (int i = 0; i < 60; ++i) {
      const Move move = bench.RandomMove();
      std::map<uint64_t, uint64_t> expected;
      for (uint64_t a = kBase; a < kBase + kBytes; a += 8) expected[a] = bench.memory.Read64(a);
      for (int r = 0; r < move.rows; ++r) {
        for (int w = 0; w < move.words; ++w, ++checked) {
          expected[move.DramAt(r, w)] = bench.act[Address(move.ActAt(r, w))] = bench.random();
        }
      }
      ASSERT_TRUE(bench.Run(move, false));
      for (const auto& [address, value] : expected) ASSERT_EQ(bench.memory.Read64(address), value) << address;
      bench.ExpectQuiet();
    }
    EXPECT_EQ(bench.range_errors, 0u);
  }
  EXPECT_GT(checked, 5'000u);
}

TEST(MoveTest, MoveAWordACycle) {
  for (const bool load : {true, false}) {
    AxiMemoryOptions options = AxiMemoryOptions::Ideal();
    options.latency_cycles = 40;
    options.outstanding = 8;
    Bench bench(options, 0);
    const Move move = {.dram = kBase, .stride = 0, .rows = 1, .words = 16'000, .act = 0, .step = 1, .row_step = 1};
    ASSERT_TRUE(bench.Run(move, load, 40'000));
    EXPECT_EQ(bench.words, 16'000u);
    const double rate = static_cast<double>(bench.words) / static_cast<double>(bench.cycle);
    printf("%s: %.4f words a cycle\n", load ? "load" : "store", rate);
    EXPECT_GT(rate, 0.95);
  }
}

TEST(MoveTest, OutsideTheWindowNothingHangs) {
  for (const bool load : {true, false}) {
    Bench bench(AxiMemoryOptions::RandomStalls(5), 0.3);
    Move move = bench.RandomMove();
    move.rows = 3;
    move.dram = kBase + kBytes - 64;
    move.words = 40;
    move.stride = 320;
    ASSERT_TRUE(bench.Run(move, load));
    EXPECT_GT(bench.range_errors, 3u);
    bench.ExpectQuiet();
  }
}

TEST(MoveTest, IllegalFieldsMoveNothing) {
  int refused = 0;
  for (const bool load : {true, false}) {
    Bench bench(AxiMemoryOptions::RandomStalls(7), 0.3);
    for (int field = 0; field < 4; ++field) {
      Move move = bench.RandomMove();
      if (field == 0) move.rows = 0;
      if (field == 1) move.words = 0;
      if (field == 2) move.dram += 4;
      if (field == 3) move.stride += 2;
      EXPECT_FALSE(bench.Run(move, load, 100));
      refused += static_cast<int>(bench.errors);
      bench.errors = 0;
      bench.ExpectQuiet();
      EXPECT_EQ(bench.words, 0u);
    }
    EXPECT_EQ(bench.memory.statistics().read_bursts + bench.memory.statistics().write_bursts, 0u);
    ASSERT_TRUE(bench.Run(bench.RandomMove(), load));
    EXPECT_EQ(bench.errors, 0u);
  }
  EXPECT_EQ(refused, 8);
}

TEST(MoveTest, AnAbortEndsAnywhere) {
  for (const bool load : {true, false}) {
    Bench bench(AxiMemoryOptions::RandomStalls(6), 0.3);
    for (int round = 0; round < 60; ++round) {
      Move move = bench.RandomMove();
      move.rows = 6;
      bench.Run(move, load, static_cast<int>(bench.random() % 400));
      bench.dut.abort_i = 1;
      bench.dut.load_valid_i = bench.dut.store_valid_i = 0;
      int waited = 0;
      for (; (waited < 4 || !bench.dut.idle_o) && waited < 1000; ++waited) bench.Cycle();
      EXPECT_LT(waited, 1000);
      bench.dut.abort_i = 0;
      bench.ExpectQuiet();
      bench.act.clear();
      const Move next = bench.RandomMove();
      for (int r = 0; r < next.rows; ++r) bench.act[Address(next.ActAt(r, 0))] = bench.random();
      ASSERT_TRUE(bench.Run(next, load));
      for (int r = 0; r < next.rows; ++r) {
        ASSERT_EQ(bench.act[Address(next.ActAt(r, 0))], bench.memory.Read64(next.DramAt(r, 0)));
      }
    }
  }
}

}  // namespace
}  // namespace msq::hw

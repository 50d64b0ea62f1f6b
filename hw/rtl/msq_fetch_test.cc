// The fetch unit: random programs with waits, the order of instructions, the end, each error, the watchdog.
#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <random>
#include <vector>

#include "Vmsq_fetch_test_dut.h"
#include "hw/rtl/testing/signals.h"

namespace msq::hw {
namespace {

constexpr int kUnits = 5;
constexpr int kEnd = 1, kFirstOpcode = 2;  // WEIGHTS; LOAD, STORE, CONV, VEC follow
constexpr int kWaits = 64;                 // bit of wait_load; 16 bits each
constexpr uint64_t kProgram = 0x4000;

struct Instruction {
  std::array<uint64_t, 16> words;
  int unit() const { return static_cast<int>(words[0] & 0xff) - kFirstOpcode; }
  uint16_t wait(int counter) const { return static_cast<uint16_t>(words[1] >> (16 * counter)); }
};

class Bench {
 public:
  explicit Bench(uint64_t seed, double stall) : random_(seed), stall_(stall) {
    dut.unit_idle_i = 31;
    dut.axi_idle_i = 1;
    for (int i = 0; i < 3; ++i) Cycle();
    dut.rst_ni = 1;
    Cycle();
  }

  Instruction& Add(int opcode) {
    Instruction instruction;
    for (uint64_t& word : instruction.words) word = random_();
    instruction.words[0] = (instruction.words[0] & ~uint64_t{0xff}) | static_cast<uint64_t>(opcode);
    instruction.words[1] = 0;
    program.push_back(instruction);
    return program.back();
  }

  // Each instruction waits for counts that instructions before it reach.
  void AddRandomProgram(int count) {
    std::array<int, kUnits> issued{};
    for (int i = 0; i < count; ++i) {
      const int unit = static_cast<int>(random_() % kUnits);
      Instruction& instruction = Add(kFirstOpcode + unit);
      for (int c = 0; c < 4; ++c) {
        const auto wait = random_() % static_cast<uint64_t>(issued[static_cast<size_t>(c) + 1] + 1);
        instruction.words[1] |= (random_() % 3 == 0 ? wait : 0) << (16 * c);
      }
      if (unit == 0) instruction.words[1] = ~uint64_t{0};  // ignored
      ++issued[static_cast<size_t>(unit)];
    }
    Add(kEnd);
  }

  void Start(uint64_t address = kProgram) {
    for (Unit& unit : units_) unit = {};
    started.clear();
    requested = 0;
    dones_ = clears_ = 0;
    dut.start_i = 1;
    dut.prog_addr_i = address;
    Cycle();
    dut.start_i = 0;
    EXPECT_TRUE(dut.busy_o);
  }

  void Cycle() {
    dut.clk_i = 0;
    Drive();
    dut.eval();
    const bool asked = dut.req_valid_o != 0 && dut.req_ready_i != 0;
    const auto taken = static_cast<unsigned>(dut.cmd_valid_o & dut.cmd_ready_i);
    if (asked) {
      EXPECT_EQ(dut.req_addr_o, kProgram + 128 * requested);
      EXPECT_EQ(dut.req_beats_o, 16);
      EXPECT_LT(requested, program.size()) << "reads beyond END";
      for (size_t w = 0; w < 16; ++w) {
        data_.push_back(requested < program.size() ? program[requested].words[w] : 0);
      }
      ++requested;
    }
    for (int u = 0; u < kUnits; ++u) {
      if ((taken >> u & 1) != 0) Take(u);
    }
    for (int u = 0; u < kUnits; ++u) {
      if ((dut.unit_done_i >> u & 1) != 0) ++units_[static_cast<size_t>(u)].completed;
    }
    dones_ += dut.done_o;
    clears_ += dut.clear_o;
    if (dut.done_o != 0) {
      EXPECT_TRUE(data_.empty());
      EXPECT_EQ(dut.unit_idle_i, 31);
    }
    dut.clk_i = 1;
    dut.eval();
  }

  void RunToDone(int limit) {
    for (int i = 0; i < limit && dones_ == 0 && !testing::Test::HasFatalFailure(); ++i) Cycle();
    ASSERT_EQ(dones_, 1);
    for (int i = 0; i < 10; ++i) Cycle();
    EXPECT_EQ(dones_, 1);
    EXPECT_EQ(clears_, 1);
    EXPECT_FALSE(dut.busy_o);
    EXPECT_FALSE(dut.abort_o);
  }

  Vmsq_fetch_test_dut dut;
  std::deque<Instruction> program;
  std::vector<size_t> started;  // indices, in the order in which units took them
  bool units_frozen = false;
  size_t requested = 0;

 private:
  struct Unit {
    int remaining = 0;  // cycles of the current instruction
    size_t next = 0;    // index at which to look for the unit's next instruction
    int completed = 0;
  };

  bool Chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }

  void Drive() {
    dut.req_ready_i = !Chance(stall_);
    dut.data_valid_i = !data_.empty() && !Chance(stall_);
    if (dut.data_valid_i != 0) {
      dut.data_i = data_.front();
      data_.pop_front();
    }
    dut.cmd_ready_i = dut.unit_done_i = 0;
    dut.unit_idle_i = 31;
    for (int u = 0; u < kUnits; ++u) {
      Unit& unit = units_[static_cast<size_t>(u)];
      if (unit.remaining > 0) {
        dut.unit_idle_i &= static_cast<uint8_t>(~(1u << u));
        if ((!units_frozen || dut.abort_o != 0) && --unit.remaining == 0 && dut.abort_o == 0) {
          dut.unit_done_i |= static_cast<uint8_t>(1u << u);
        }
      } else if (!Chance(stall_)) {
        dut.cmd_ready_i |= static_cast<uint8_t>(1u << u);
      }
    }
  }

  void Take(int u) {
    Unit& unit = units_[static_cast<size_t>(u)];
    while (unit.next < program.size() && program[unit.next].unit() != u) ++unit.next;
    ASSERT_LT(unit.next, program.size()) << "unit " << u << " gets an instruction too many";
    const Instruction& instruction = program[unit.next];
    for (int w = 0; w < 16; ++w) {
      ASSERT_EQ(GetBits(dut.cmd_instr_o, u * 1024 + w * 64, 64), instruction.words[static_cast<size_t>(w)])
          << "instruction " << unit.next << " word " << w;
    }
    for (int c = 0; u != 0 && c < 4; ++c) {
      ASSERT_GE(units_[static_cast<size_t>(c) + 1].completed, instruction.wait(c)) << "instruction " << unit.next;
    }
    started.push_back(unit.next++);
    unit.remaining = 1 + static_cast<int>(random_() % 60);
  }

  std::mt19937_64 random_;
  double stall_;
  std::deque<uint64_t> data_;
  std::array<Unit, kUnits> units_;
  int dones_ = 0, clears_ = 0;
};

TEST(FetchTest, RunsRandomPrograms) {
  size_t instructions = 0;
  for (const double stall : {0.0, 0.5, 0.9}) {
    for (uint64_t seed = 1; seed < 6; ++seed) {
      Bench bench(seed, stall);
      bench.AddRandomProgram(100);
      bench.Start();
      ASSERT_NO_FATAL_FAILURE(bench.RunToDone(200'000));
      EXPECT_EQ(bench.started.size(), 100u);
      EXPECT_FALSE(bench.dut.error_valid_o);
      instructions += bench.started.size();
      bench.Start();  // and again
      ASSERT_NO_FATAL_FAILURE(bench.RunToDone(200'000));
      EXPECT_EQ(bench.started.size(), 100u);
    }
  }
  EXPECT_EQ(instructions, 1500u);
}

TEST(FetchTest, AnIllegalOpcodeEndsTheProgram) {
  for (const int opcode : {0, 7, 8, 128, 255}) {
    Bench bench(3, 0.3);
    bench.AddRandomProgram(5);
    bench.program.pop_back();
    bench.Add(opcode);
    bench.Add(kEnd);
    bench.Start();
    ASSERT_NO_FATAL_FAILURE(bench.RunToDone(10'000));
    EXPECT_TRUE(bench.dut.error_valid_o);
    EXPECT_EQ(bench.dut.error_code_o, 1);
    EXPECT_EQ(bench.dut.error_index_o, 5u);
    EXPECT_EQ(bench.requested, 6u) << "reads on behind an illegal instruction";
    bench.program.clear();
    bench.AddRandomProgram(10);
    bench.Start();
    EXPECT_FALSE(bench.dut.error_valid_o);
    ASSERT_NO_FATAL_FAILURE(bench.RunToDone(20'000));
    EXPECT_FALSE(bench.dut.error_valid_o);
    EXPECT_EQ(bench.started.size(), 10u);
  }
}

TEST(FetchTest, AProgramThatIsNotAlignedIsNotRead) {
  Bench bench(6, 0.3);
  bench.AddRandomProgram(10);
  for (const uint64_t beyond : {8, 64, 120}) {
    bench.Start(kProgram + beyond);
    ASSERT_NO_FATAL_FAILURE(bench.RunToDone(100));
    EXPECT_EQ(bench.dut.error_code_o, 1);
    EXPECT_EQ(bench.requested, 0u);
  }
  bench.Start();
  ASSERT_NO_FATAL_FAILURE(bench.RunToDone(20'000));
  EXPECT_FALSE(bench.dut.error_valid_o);
  EXPECT_EQ(bench.started.size(), 10u);
}

TEST(FetchTest, TheFirstErrorIsKept) {
  // Bits: act_range, dram_range, axi_error, illegal. Of several in one cycle the lowest code counts.
  const std::vector<std::pair<int, int>> cases = {{1, 2}, {2, 3}, {4, 4}, {7, 2}, {6, 3}, {8, 1}, {15, 1}};
  for (const auto& [inputs, code] : cases) {
    for (const int at : {30, 200, 700}) {
      Bench bench(4, 0.2);
      bench.AddRandomProgram(40);
      bench.Start();
      for (int i = 0; i < at; ++i) bench.Cycle();
      bench.dut.act_range_i = inputs & 1;
      bench.dut.dram_range_i = inputs >> 1 & 1;
      bench.dut.axi_error_i = inputs >> 2 & 1;
      bench.dut.illegal_i = inputs >> 3 & 1;
      bench.Cycle();
      EXPECT_TRUE(bench.dut.abort_o);
      bench.dut.dram_range_i = bench.dut.axi_error_i = bench.dut.illegal_i = 0;
      bench.dut.act_range_i = 1;  // a later one
      bench.Cycle();
      bench.dut.act_range_i = 0;
      const size_t started = bench.started.size();
      ASSERT_NO_FATAL_FAILURE(bench.RunToDone(5'000));
      EXPECT_TRUE(bench.dut.error_valid_o);
      EXPECT_EQ(bench.dut.error_code_o, code);
      EXPECT_EQ(bench.started.size(), started) << "begins instructions during an abort";
      bench.Start();
      ASSERT_NO_FATAL_FAILURE(bench.RunToDone(50'000));
      EXPECT_EQ(bench.started.size(), 40u);
      EXPECT_FALSE(bench.dut.error_valid_o);
    }
  }
}

TEST(FetchTest, TheWatchdogEndsWhatMakesNoProgress) {
  for (const bool active : {false, true}) {
    Bench bench(5, 0.1);
    bench.Add(kFirstOpcode + 1);
    bench.Add(kFirstOpcode + 3).words[1] = 1;
    bench.Add(kEnd);
    bench.units_frozen = true;
    bench.dut.watchdog_limit_i = 300;
    bench.Start();
    for (int i = 0; i < 2000; ++i) {
      bench.dut.activity_i = active && i % 250 == 0;
      bench.Cycle();
    }
    EXPECT_EQ(bench.dut.error_valid_o, !active);
    EXPECT_EQ(bench.dut.error_code_o, active ? 0 : 5);
    bench.dut.activity_i = 0;
    bench.units_frozen = false;
    if (active) {
      ASSERT_NO_FATAL_FAILURE(bench.RunToDone(2'000));
    }
    EXPECT_FALSE(bench.dut.busy_o);
  }
}

}  // namespace
}  // namespace msq::hw

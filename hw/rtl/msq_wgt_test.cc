// The weight buffer behind AXI ports: random tiles bit for bit against a model, and how fast it fills. Built for
// several shapes of the array.
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <vector>

#include MSQ_DUT_HEADER
#include "hw/rtl/testing/axi_connection.h"
#include "hw/rtl/testing/wgt_model.h"

namespace msq::hw {
namespace {

constexpr WgtShape kShape = {MSQ_F, MSQ_S, MSQ_PORTS};
constexpr int kQ = MSQ_Q;
constexpr int kGroups = (MSQ_F + MSQ_S) / MSQ_Q;
constexpr uint64_t kMemoryBytes = 8u << 20;
// Instruction fields, as in hw/regs/instructions.json.
constexpr int kDram = 128, kPortStride = 192, kTiles = 224, kParamRows = 240, kDiagonal = 243, kWeightRows = 256;

struct Row {
  const WgtTile* tile;
  int row;
};

class Bench {
 public:
  Bench(const AxiMemoryOptions& options, uint64_t seed) : memory(options), random(seed) {
    dut.win_size_i = kMemoryBytes;
    dut.rst_ni = 0;
    for (int i = 0; i < 3; ++i) Cycle();
    dut.rst_ni = 1;
    Clear();
  }

  void Clear() {
    dut.clear_i = 1;
    Cycle();
    dut.clear_i = 0;
    instructions.clear();
    rows_.clear();
    params_.clear();
    sent = completed = head = 0;
  }

  void Add(int tiles, int param_rows, int rows, bool diagonal = false) {
    instructions.push_back(
        RandomWgtInstruction(kShape, tiles, param_rows, rows, diagonal, next_dram, random, memory, &next_dram));
    for (const WgtTile& tile : instructions.back().tiles) {
      params_.push_back({&tile, static_cast<int>(rows_.size())});
      for (int r = 0; r < rows; ++r) rows_.push_back({&tile, r});
    }
  }

  // One cycle of a reader that is busy with the given probability, of a drain, and of the sender of instructions. Half
  // of what the reader does is what `stream` does: read the oldest row and release it in the same cycle.
  void Step(double busy, double drain_busy) {
    const auto avail = static_cast<uint64_t>(rows_avail());
    const bool stream = avail > 0 && Chance(busy / 2);
    const bool read = stream || (avail > 0 && Chance(busy / 2));
    const bool release = stream || (avail > 0 && Chance(busy / 2));
    dut.rd_en_i = read;
    dut.rd_row_i = stream || avail == 0 ? 0 : random() % avail;
    if (read) reads_.push_back({cycle, rows_[head + dut.rd_row_i]});
    dut.release_i = release;
    dut.release_rows_i = stream ? 1 : release ? 1 + random() % avail : random() % 100;
    ReadParams(drain_busy);
    dut.cmd_valid_i = sent < instructions.size() && Chance(0.5 + busy);
    if (dut.cmd_valid_i != 0) Encode(instructions[sent]);
    Cycle();
    if (release) head += dut.release_rows_i;
    dut.rd_en_i = dut.release_i = dut.param_req_i = dut.tile_drained_i = dut.cmd_valid_i = 0;
  }
  void Step(double busy) { Step(busy, busy); }

  void Cycle() {
    for (int p = 0; p < kShape.ports; ++p) DriveReadPort(dut, memory, p);
    dut.clk_i = 0;
    dut.eval();
    CheckData();
    for (int p = 0; p < kShape.ports; ++p) SampleReadPort(dut, memory, p);
    if (dut.rst_ni != 0) memory.Tick();
    if (dut.cmd_valid_i != 0 && dut.cmd_ready_o != 0) ++sent;
    if (dut.done_o != 0) ++completed;
    errors += dut.range_err_o != 0 || dut.err_o != 0;
    dut.clk_i = 1;
    dut.eval();
    ++cycle;
  }

  bool Finished() const {
    return completed == instructions.size() && head == rows_.size() && params_.empty() && reads_.empty();
  }
  int rows_avail() const { return dut.rows_avail_o; }
  bool Chance(double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; }

  MSQ_DUT dut;
  AxiMemory memory;
  std::mt19937_64 random;
  std::deque<WgtInstruction> instructions;
  uint64_t next_dram = 0;
  uint64_t cycle = 0;
  size_t sent = 0, completed = 0, head = 0;
  uint64_t checked_weights = 0, checked_params = 0, errors = 0;

 private:
  struct Read {
    uint64_t cycle;
    Row row;
  };
  struct Params {
    const WgtTile* tile;
    int first_row;  // of the weights, counted from the program's first row
    int to_read = 3;
  };
  struct ParamRead {
    uint64_t cycle;
    const WgtTile* tile;
    int group;
    bool leaky;
  };

  void Encode(const WgtInstruction& instruction) {
    const WgtTile& tile = instruction.tiles[0];
    for (int i = 0; i < 32; ++i) dut.cmd_instr_i[static_cast<size_t>(i)] = static_cast<uint32_t>(random());
    SetBits(dut.cmd_instr_i, kDram, 48, instruction.dram);
    SetBits(dut.cmd_instr_i, kPortStride, 32, instruction.port_stride);
    SetBits(dut.cmd_instr_i, kTiles, 16, instruction.tiles.size());
    SetBits(dut.cmd_instr_i, kParamRows, 3, tile.params.size());
    SetBits(dut.cmd_instr_i, kWeightRows, 16, tile.rows.size());
    SetBits(dut.cmd_instr_i, kDiagonal, 1, instruction.diagonal);
  }

  // Parameters of the oldest tile may be read once a row of it is there; after some reads the tile is given up.
  void ReadParams(double busy) {
    if (params_.empty() || static_cast<size_t>(params_[0].first_row) >= head + static_cast<size_t>(rows_avail()))
      return;
    if (!Chance(busy)) return;
    Params& params = params_[0];
    if (params.to_read-- > 0) {
      const bool leaky = params.tile->params.size() == 4 && Chance(0.5);
      const int group = static_cast<int>(random() % kGroups);
      dut.param_req_i = 1;
      dut.param_group_i = static_cast<uint8_t>(group);
      dut.param_leaky_i = leaky;
      param_reads_.push_back({cycle, params.tile, group, leaky});
    } else {
      dut.tile_drained_i = 1;
      params_.pop_front();
    }
  }

  void CheckData() {
    if (!param_reads_.empty() && param_reads_.front().cycle + 2 == cycle) {
      CheckParams(param_reads_.front());
      param_reads_.pop_front();
    }
    for (const Read& read : reads_) {
      if (read.cycle + 2 == cycle) CheckPairs(read.row);
    }
    if (!reads_.empty() && reads_.front().cycle + 5 == cycle) {
      CheckLanes(reads_.front().row);
      reads_.pop_front();
    }
  }

  void CheckParams(const ParamRead& read) {
    for (int q = 0; q < kQ; ++q) {
      const auto lane = static_cast<size_t>(read.group) * kQ + static_cast<size_t>(q);
      const uint64_t even = read.tile->params[read.leaky ? 2 : 0][lane],
                     odd = read.tile->params[read.leaky ? 3 : 1][lane];
      ASSERT_EQ(GetBits(dut.param_data_o, q * 128, 64), even) << "lane " << lane;
      ASSERT_EQ(GetBits(dut.param_data_o, q * 128 + 64, 64), odd & ((uint64_t{1} << 47) - 1)) << "lane " << lane;
      ++checked_params;
    }
  }

  void CheckPairs(const Row& row) {
    for (int pair = 0; pair < kShape.f / 2; ++pair) {
      for (int n = 0; n < 16; ++n) {
        ASSERT_EQ(GetBits(dut.wf_o, (pair * 16 + n) * 10, 10), row.tile->Field(row.row, pair, n, kShape))
            << "pair " << pair << " weight " << n;
        checked_weights += 2;
      }
    }
  }

  void CheckLanes(const Row& row) {
    int s = 0;
    for (const int lane : kShape.positions(false)) {
      ASSERT_EQ(GetBits(dut.ws_o, s++ * 64, 64),
                row.tile->rows[static_cast<size_t>(row.row)][static_cast<size_t>(lane)])
          << "lane " << lane;
      checked_weights += 16;
    }
  }

  std::deque<Row> rows_;
  std::deque<Params> params_;
  std::deque<Read> reads_;
  std::deque<ParamRead> param_reads_;

 public:
  size_t rows() const { return rows_.size(); }
};

AxiMemoryOptions Sized(AxiMemoryOptions options) {
  options.bytes = kMemoryBytes;
  return options;
}

void AddRandomInstructions(Bench& bench, int count) {
  for (int i = 0; i < count; ++i) {
    const int param_rows = bench.random() % 2 == 0 ? 2 : 4;
    const bool diagonal = kShape.lanes() / kShape.ports % 16 == 0 && bench.random() % 2 == 0;
    bench.Add(1 + static_cast<int>(bench.random() % 4), param_rows, 1 + static_cast<int>(bench.random() % 40),
              diagonal);
  }
}

void RunToEnd(Bench& bench, double busy, uint64_t limit, double drain_busy) {
  while (!bench.Finished() && bench.cycle < limit && !testing::Test::HasFatalFailure()) bench.Step(busy, drain_busy);
  ASSERT_TRUE(bench.Finished()) << bench.completed << " of " << bench.instructions.size() << " instructions, row "
                                << bench.head << " of " << bench.rows();
  for (int i = 0; i < 20; ++i) bench.Cycle();
  EXPECT_TRUE(bench.dut.idle_o);
  EXPECT_EQ(bench.errors, 0u);
  EXPECT_EQ(bench.memory.statistics().violations, 0u) << bench.memory.statistics().first_violation;
}

void RunToEnd(Bench& bench, double busy, uint64_t limit) {
  RunToEnd(bench, busy, limit, busy);
}

TEST(WgtTest, HoldsRandomTilesUntilTheyAreReleased) {
  for (const double busy : {0.02, 0.2, 0.9}) {
    SCOPED_TRACE(busy);
    Bench bench(Sized(AxiMemoryOptions::RandomStalls(static_cast<uint64_t>(busy * 100), kShape.ports)), 7);
    AddRandomInstructions(bench, 20);
    ASSERT_NO_FATAL_FAILURE(RunToEnd(bench, busy, 400'000));
    EXPECT_GT(bench.rows(), 600u);
    EXPECT_GT(bench.checked_weights, 5'000u);
    EXPECT_GT(bench.checked_params, 500u);
  }
}

TEST(WgtTest, HoldsTheParametersOfTilesUntilTheyAreDrained) {
  Bench bench(Sized(AxiMemoryOptions::Ideal(kShape.ports)), 6);
  for (int i = 0; i < 20; ++i) bench.Add(1 + i % 3, 2 + i % 2 * 2, 1 + i % 4);
  ASSERT_NO_FATAL_FAILURE(RunToEnd(bench, 0.9, 100'000, 0.02));
  EXPECT_GT(bench.checked_params, 500u);
}

TEST(WgtTest, FillsTheRingAndNoMore) {
  Bench bench(Sized(AxiMemoryOptions::Ideal(kShape.ports)), 8);
  bench.Add(1, 2, MSQ_WDEPTH + 30);
  for (int i = 0; i < (MSQ_WDEPTH + 100) * 25; ++i) {
    bench.dut.cmd_valid_i = 0;
    bench.Step(0);
  }
  EXPECT_EQ(bench.rows_avail(), MSQ_WDEPTH);
  EXPECT_EQ(bench.completed, 0u);
  EXPECT_FALSE(bench.dut.idle_o);
  ASSERT_NO_FATAL_FAILURE(RunToEnd(bench, 0.3, 100'000));
  EXPECT_GT(bench.checked_weights, 0u);
}

TEST(WgtTest, TakesABeatACycleAndPortDespiteTheLatency) {
  for (const bool dram : {false, true}) {
    AxiMemoryOptions options = dram ? AxiMemoryOptions::ZynqDdr3(kShape.ports) : AxiMemoryOptions::Ideal(kShape.ports);
    options.latency_cycles = 40;
    options.outstanding = 8;
    Bench bench(Sized(options), 9);
    for (int i = 0; i < 6; ++i) bench.Add(3, 2, 36);
    RunToEnd(bench, 1, 100'000);
    const AxiMemoryStatistics& statistics = bench.memory.statistics();
    const double rate =
        static_cast<double>(statistics.read_beats) / static_cast<double>(statistics.cycles) / kShape.ports;
    RecordProperty(dram ? "rate_dram" : "rate", std::to_string(rate));
    printf("%s: %.4f beats a cycle and port\n", dram ? "DDR3" : "one beat a cycle", rate);
    EXPECT_GT(rate, dram ? 0.93 : 0.95);
  }
}

TEST(WgtTest, AnAbortForgetsEverything) {
  Bench bench(Sized(AxiMemoryOptions::RandomStalls(3, kShape.ports)), 10);
  for (int round = 0; round < 12; ++round) {
    AddRandomInstructions(bench, 3);
    const auto cycles = bench.random() % 2000;
    for (uint64_t i = 0; i < cycles; ++i) bench.Step(0.1);
    for (int i = 0; i < 6; ++i) bench.Cycle();  // reads in flight
    bench.dut.abort_i = 1;
    const auto before = bench.memory.statistics().read_bursts;
    int waited = 0;
    for (; (waited < 8 || !bench.dut.idle_o) && waited < 1000; ++waited) bench.Cycle();
    EXPECT_LT(waited, 1000);
    EXPECT_LE(bench.memory.statistics().read_bursts, before + static_cast<uint64_t>(kShape.ports));
    EXPECT_EQ(bench.rows_avail(), 0);
    bench.dut.abort_i = 0;
    for (int i = 0; i < 20; ++i) bench.Cycle();
    EXPECT_TRUE(bench.dut.idle_o);
    bench.Clear();
    bench.next_dram = 0;
  }
  AddRandomInstructions(bench, 5);
  ASSERT_NO_FATAL_FAILURE(RunToEnd(bench, 0.2, 200'000));
  EXPECT_GT(bench.checked_weights, 1000u);
}

}  // namespace
}  // namespace msq::hw

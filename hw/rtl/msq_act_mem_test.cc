// All clients of the activation memory at random, cycle by cycle against an array and the order of priorities.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "Vmsq_act_mem_n1.h"
#include "Vmsq_act_mem_n2.h"
#include "Vmsq_act_mem_paper_z020.h"
#include "Vmsq_act_mem_paper_z045.h"
#include "Vmsq_act_mem_tiny.h"
#include "Vmsq_act_mem_z020.h"
#include "Vmsq_act_mem_z045.h"
#include "hw/rtl/port_bits.h"
#include "hw/rtl/testing/every_configuration.h"

namespace msq::hw {
namespace {

enum class Kind { kDrainWrite, kSkipRead, kLoadWrite, kStoreRead, kVecRead, kVecWrite };

struct Client {
  Kind kind;
  int index;  // of several of a kind
  bool valid = false;
  int row = 0;
  int bank = 0;
  uint64_t data = 0;
  int mask = 3;
  bool write() const { return kind == Kind::kDrainWrite || kind == Kind::kLoadWrite || kind == Kind::kVecWrite; }
};

// What a port shows in some later cycle.
struct Answer {
  bool valid = false;
  bool known = false;
  uint64_t data = 0;
};

template <typename DutT, int kBanksT, int kDepthT, int kWidthT, int kLoadsT, int kVecsT>
struct Build {
  using Dut = DutT;
  static constexpr int kBanks = kBanksT;
  static constexpr int kDepth = kDepthT;
  static constexpr int kWidth = kWidthT;
  static constexpr int kLoads = kLoadsT;
  static constexpr int kVecs = kVecsT;
};

template <typename B>
class ActMemTest : public ::testing::Test {
 protected:
  ActMemTest() {
    const auto add = [this](Kind kind, int count) {
      for (int i = 0; i < count; ++i) clients_.push_back({.kind = kind, .index = i});
    };
    clients_.reserve(2 * B::kWidth + B::kLoads + 2 * B::kVecs + 1);
    add(Kind::kDrainWrite, B::kWidth);
    add(Kind::kSkipRead, B::kWidth);
    add(Kind::kVecRead, B::kVecs);
    add(Kind::kLoadWrite, B::kLoads);
    add(Kind::kStoreRead, 1);
    add(Kind::kVecWrite, B::kVecs);
    answers_.assign(4, std::vector<Answer>(clients_.size()));
    a_answers_.assign(4, std::vector<Answer>(B::kBanks));
  }

  int Random(int below) { return static_cast<int>(random_() % static_cast<uint64_t>(below)); }
  static bool InMemory(int row, int bank) { return row >= 0 && row < B::kDepth && bank < B::kBanks; }
  int RandomRow() {
    if (Random(60) != 0) return Random(B::kDepth);
    return Random(2) != 0 ? -1 - Random(9) : B::kDepth + Random(1000);
  }

  void Drive(Client* client) {
    if (!client->valid && Random(100) < busy_) {
      client->valid = true;
      client->row = RandomRow();
      client->bank = Random(50) == 0 ? Random(16) : Random(B::kBanks);
      client->data = random_();
      client->mask = client->kind == Kind::kDrainWrite ? Random(4) : 3;
    }
    const uint64_t address = static_cast<uint64_t>(client->row) << 4 | static_cast<uint64_t>(client->bank);
    const int i = client->index;
    switch (client->kind) {
      case Kind::kDrainWrite:
        SetPortBits(client->valid, i, 1, &dut_.dw_valid_i);
        SetPortBits(address, 24 * i, 24, &dut_.dw_addr_i);
        SetPortBits(client->data, 64 * i, 64, &dut_.dw_data_i);
        SetPortBits(static_cast<uint64_t>(client->mask), 2 * i, 2, &dut_.dw_mask_i);
        break;
      case Kind::kSkipRead:
        SetPortBits(client->valid, i, 1, &dut_.sr_valid_i);
        SetPortBits(address, 24 * i, 24, &dut_.sr_addr_i);
        break;
      case Kind::kLoadWrite:
        SetPortBits(client->valid, i, 1, &dut_.lw_valid_i);
        SetPortBits(address, 24 * i, 24, &dut_.lw_addr_i);
        SetPortBits(client->data, 64 * i, 64, &dut_.lw_data_i);
        break;
      case Kind::kStoreRead:
        dut_.st_valid_i = client->valid;
        SetPortBits(address, 0, 24, &dut_.st_addr_i);
        break;
      case Kind::kVecRead:
        SetPortBits(client->valid, i, 1, &dut_.vr_valid_i);
        SetPortBits(address, 24 * i, 24, &dut_.vr_addr_i);
        break;
      case Kind::kVecWrite:
        SetPortBits(client->valid, i, 1, &dut_.vw_valid_i);
        SetPortBits(address, 24 * i, 24, &dut_.vw_addr_i);
        SetPortBits(client->data, 64 * i, 64, &dut_.vw_data_i);
        break;
    }
  }

  bool Ready(const Client& client) {
    switch (client.kind) {
      case Kind::kDrainWrite:
        return PortBits(dut_.dw_ready_o, client.index, 1) != 0;
      case Kind::kSkipRead:
        return PortBits(dut_.sr_ready_o, client.index, 1) != 0;
      case Kind::kLoadWrite:
        return PortBits(dut_.lw_ready_o, client.index, 1) != 0;
      case Kind::kStoreRead:
        return dut_.st_ready_o != 0;
      case Kind::kVecRead:
        return PortBits(dut_.vr_ready_o, client.index, 1) != 0;
      case Kind::kVecWrite:
        return PortBits(dut_.vw_ready_o, client.index, 1) != 0;
    }
    return false;
  }

  Answer Shown(const Client& client) {
    switch (client.kind) {
      case Kind::kSkipRead:
        return {.valid = PortBits(dut_.sr_rvalid_o, client.index, 1) != 0,
                .data = PortBits(dut_.sr_rdata_o, 64 * client.index, 64)};
      case Kind::kStoreRead:
        return {.valid = dut_.st_rvalid_o != 0, .data = dut_.st_rdata_o};
      case Kind::kVecRead:
        return {.valid = PortBits(dut_.vr_rvalid_o, client.index, 1) != 0,
                .data = PortBits(dut_.vr_rdata_o, 64 * client.index, 64)};
      default:
        return {};
    }
  }

  void DrivePortA() {
    for (int b = 0; b < B::kBanks; ++b) {
      a_en_[b] = Random(100) < busy_;
      a_row_[b] = RandomRow();
      SetPortBits(a_en_[b], b, 1, &dut_.a_en_i);
      SetPortBits(static_cast<uint64_t>(a_row_[b]), 20 * b, 20, &dut_.a_row_i);
    }
  }

  // What was asked is shown now: three cycles ago on port B, two on port A.
  void CheckAnswers() {
    std::vector<Answer>& now = answers_[cycle_ % 4];
    for (size_t c = 0; c < clients_.size(); ++c) {
      if (clients_[c].write()) continue;
      const Answer shown = Shown(clients_[c]);
      ASSERT_EQ(shown.valid, now[c].valid) << "client " << c << ", cycle " << cycle_;
      if (now[c].valid) {
        ASSERT_EQ(shown.data, now[c].data) << "client " << c << ", cycle " << cycle_;
        ++reads_;
      }
      now[c] = {};
    }
    for (int b = 0; b < B::kBanks; ++b) {
      Answer& answer = a_answers_[cycle_ % 4][b];
      if (answer.known) {
        ASSERT_EQ(PortBits(dut_.a_data_o, 64 * b, 64), answer.data) << "port A, bank " << b << ", cycle " << cycle_;
        ++a_reads_;
      }
      answer = {};
    }
    ASSERT_EQ(dut_.range_err_o != 0, error_) << "cycle " << cycle_;
    ASSERT_EQ(dut_.b_activity_o != 0, activity_) << "cycle " << cycle_;
    errors_ += error_ ? 1 : 0;
  }

  // Grants by priority. Reads of port B see all writes granted before, reads of port A those that are in the banks: all
  // but the last cycle's.
  void Grant() {
    error_ = late_error_;
    late_error_ = false;
    std::array<bool, 16> claimed = {};
    bool activity = false;
    std::array<int, 16> written;
    written.fill(-1);
    for (size_t c = 0; c < clients_.size(); ++c) {
      Client& client = clients_[c];
      const bool ready = !claimed[client.bank];
      ASSERT_EQ(Ready(client), ready) << "client " << c << ", cycle " << cycle_;
      if (!client.valid) continue;
      claimed[client.bank] = true;
      if (!ready) {
        ++refusals_;
        continue;
      }
      activity = true;
      client.valid = false;
      const bool in_memory = InMemory(client.row, client.bank);
      late_error_ |= !in_memory;
      uint64_t* word = in_memory ? &memory_[client.bank][client.row] : nullptr;
      if (!client.write()) {
        answers_[(cycle_ + 3) % 4][c] = {.valid = true, .data = in_memory ? *word : 0};
      } else if (in_memory) {
        const uint64_t mask = (client.mask & 1 ? 0xffffffffu : 0) | (client.mask & 2 ? 0xffffffffull << 32 : 0);
        pending_.push_back({word, (*word & ~mask) | (client.data & mask)});
        written[client.bank] = client.row;
      }
    }
    activity_ = activity;
    for (int b = 0; b < B::kBanks; ++b) {
      if (!a_en_[b]) continue;
      const bool in_memory = InMemory(a_row_[b], b);
      error_ |= !in_memory;
      // A word read while it is written, the cycle after its grant, is anything.
      a_answers_[(cycle_ + 2) % 4][b] = {.known = !in_memory || written_[b] != a_row_[b],
                                         .data = in_memory ? memory_[b][a_row_[b]] : 0};
    }
    written_ = written;
    for (const auto& [word, value] : pending_) *word = value;
    pending_.clear();
  }

  void Cycle() {
    for (Client& client : clients_) Drive(&client);
    DrivePortA();
    dut_.clk_i = 0;
    dut_.eval();
    ASSERT_NO_FATAL_FAILURE(CheckAnswers());
    ASSERT_NO_FATAL_FAILURE(Grant());
    dut_.clk_i = 1;
    dut_.eval();
    ++cycle_;
  }

  void Reset() {
    dut_.rst_ni = 0;
    for (int i = 0; i < 2; ++i) {
      dut_.clk_i = 0;
      dut_.eval();
      dut_.clk_i = 1;
      dut_.eval();
    }
    dut_.rst_ni = 1;
  }

  // Gives every word a value that is known.
  void Fill() {
    dut_.lw_valid_i = 1;
    for (int b = 0; b < B::kBanks; ++b) {
      for (int row = 0; row < B::kDepth; ++row) {
        memory_[b][row] = random_();
        SetPortBits(static_cast<uint64_t>(row) << 4 | static_cast<uint64_t>(b), 0, 24, &dut_.lw_addr_i);
        SetPortBits(memory_[b][row], 0, 64, &dut_.lw_data_i);
        dut_.clk_i = 0;
        dut_.eval();
        ASSERT_TRUE(PortBits(dut_.lw_ready_o, 0, 1));
        dut_.clk_i = 1;
        dut_.eval();
      }
    }
    dut_.lw_valid_i = 0;
  }

  typename B::Dut dut_;
  std::mt19937_64 random_{17};
  std::vector<Client> clients_;
  std::array<std::array<uint64_t, B::kDepth>, B::kBanks> memory_ = {};
  std::array<bool, 16> a_en_ = {};
  std::array<int, 16> a_row_ = {};
  std::vector<std::vector<Answer>> answers_, a_answers_;  // by cycle modulo 4
  std::array<int, 16> written_ = {};  // row of each bank that a write was granted for the cycle before
  std::vector<std::pair<uint64_t*, uint64_t>> pending_;
  bool error_ = false, activity_ = true;  // to be shown, of the cycle before; at first the last one of Fill
  bool late_error_ = false;               // of port B, to be shown a cycle later
  int busy_ = 50;                         // percent
  int64_t cycle_ = 0;
  int64_t reads_ = 0, a_reads_ = 0, refusals_ = 0, errors_ = 0;
};

using Builds =
    ::testing::Types<Build<Vmsq_act_mem_n1, 3, 37, 1, 1, 1>, Build<Vmsq_act_mem_n2, 5, 3077, 2, 3, 2>,
                     Build<Vmsq_act_mem_tiny, 3, 2048, 1, 1, 2>, Build<Vmsq_act_mem_z020, 5, 9216, 1, 2, 1>,
                     Build<Vmsq_act_mem_z045, 11, 10240, 2, 4, 4>, Build<Vmsq_act_mem_paper_z020, 2, 22528, 1, 1, 1>,
                     Build<Vmsq_act_mem_paper_z045, 5, 16384, 1, 1, 1>>;
TYPED_TEST_SUITE(ActMemTest, Builds);
static_assert(CoverEveryConfiguration(Builds(), [](auto build, const Configuration& configuration) {
  return build.kBanks == configuration.banks && build.kDepth == configuration.depth &&
         build.kWidth == (configuration.q + 15) / 16 && build.kLoads == configuration.loads &&
         build.kVecs == configuration.vecs;
}));

TYPED_TEST(ActMemTest, AgreesWithAnArrayAndThePriorities) {
  this->Reset();
  ASSERT_NO_FATAL_FAILURE(this->Fill());
  for (int i = 0; i < 60000; ++i) {
    if (i % 1000 == 0) this->busy_ = 10 + this->Random(91);
    ASSERT_NO_FATAL_FAILURE(this->Cycle());
  }
  EXPECT_GT(this->reads_, 10000);
  EXPECT_GT(this->a_reads_, 50000);
  EXPECT_GT(this->refusals_, 10000);
  EXPECT_GT(this->errors_, 1000);
}

}  // namespace
}  // namespace msq::hw

// AXI4-Lite traffic with stalls on every channel against the model in every cycle, and the sequences that software uses.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "Vmsq_axil_ctrl_carry_dut.h"
#include "Vmsq_axil_ctrl_test_dut.h"
#include "hw/regs/configurations.h"
#include "hw/regs/registers.h"
#include "hw/rtl/msq_axil_ctrl_model.h"

namespace msq::hw {
namespace {

struct Plain {
  using Device = Vmsq_axil_ctrl_test_dut;
  static constexpr uint64_t kCounterClear = 0;
  static constexpr uint32_t kBuildId = 0;
};
struct Carry {
  using Device = Vmsq_axil_ctrl_carry_dut;
  static constexpr uint64_t kCounterClear = 0x1ffffffe0;
  static constexpr uint32_t kBuildId = 0x89abcdef;
};

std::map<uint32_t, uint32_t> Constants(uint32_t build_id) {
  const Configuration& z020 = *FindConfiguration("z020");  // the parameters' defaults
  const auto byte = [](int value, int lsb) { return static_cast<uint32_t>(value) << lsb; };
  return {
      {kIdRegister, 'M' | 'S' << 8 | 'Q' << 16 | '1' << 24},
      {kIsaVersionRegister, 2},
      {kBuildIdRegister, build_id},
      {kConfigArrayRegister, byte(z020.p, 0) | byte(z020.f, 8) | byte(z020.s, 16) | byte(z020.q, 24)},
      {kConfigMemoryRegister,
       byte(z020.banks, 0) | byte(z020.ports, 8) | byte(9, 16) | byte(z020.loads, 24) | byte(z020.vecs, 28)},
      {kConfigDepthRegister, static_cast<uint32_t>(z020.depth)},
  };
}

// The device and its model side by side.
template <typename Build>
class Pair {
 public:
  Pair() : model_(Constants(Build::kBuildId), Build::kCounterClear) {
    device_.rst_ni = 0;
    for (int i = 0; i < 3; ++i) Clock();
    device_.rst_ni = 1;
  }
  ~Pair() { device_.final(); }

  // The outputs before a cycle's edge.
  const CtrlOutputs& Look() {
    device_.clk_i = 0;
    device_.eval();
    outputs_ = model_.Outputs(device_.s_rvalid_o != 0);
    EXPECT_EQ(Outputs(), outputs_) << "in cycle " << cycle_;
    EXPECT_EQ(device_.s_bresp_o | device_.s_rresp_o, 0);
    EXPECT_FALSE(model_.late());
    return outputs_;
  }
  // The edge. Look comes first.
  void Step(const CtrlInputs& in) {
    Apply(in);
    Clock();
    model_.Advance(in);
    ++cycle_;
  }
  const CtrlModel& model() const { return model_; }

 private:
  void Clock() {
    device_.clk_i = 0;
    device_.eval();
    device_.clk_i = 1;
    device_.eval();
  }
  CtrlOutputs Outputs() const {
    CtrlOutputs out;
    out.awready = device_.s_awready_o;
    out.wready = device_.s_wready_o;
    out.bvalid = device_.s_bvalid_o;
    out.arready = device_.s_arready_o;
    out.rvalid = device_.s_rvalid_o;
    out.rdata = out.rvalid ? device_.s_rdata_o : 0;
    out.interrupt = device_.interrupt_o;
    out.start = device_.start_o;
    out.prog_addr = device_.prog_addr_o;
    out.win_base = device_.win_base_o;
    out.win_size = device_.win_size_o;
    out.watchdog = device_.watchdog_limit_o;
    return out;
  }
  void Apply(const CtrlInputs& in) {
    const auto event = [&in](Counter counter) { return in.events[static_cast<int>(counter)]; };
    device_.s_awvalid_i = in.awvalid;
    device_.s_awaddr_i = in.awaddr;
    device_.s_wvalid_i = in.wvalid;
    device_.s_wdata_i = in.wdata;
    device_.s_wstrb_i = in.wstrb;
    device_.s_bready_i = in.bready;
    device_.s_arvalid_i = in.arvalid;
    device_.s_araddr_i = in.araddr;
    device_.s_rready_i = in.rready;
    device_.done_i = in.done;
    device_.error_valid_i = in.error_valid;
    device_.error_code_i = in.error_code;
    device_.error_index_i = in.error_index;
    device_.step_i = event(Counter::kSteps);
    device_.dsp_busy_i = event(Counter::kDspBusy);
    device_.lut_busy_i = event(Counter::kLutBusy);
    device_.stall_weights_i = event(Counter::kStallWeights);
    device_.stall_drain_i = event(Counter::kStallDrain);
    device_.stall_bank_i = event(Counter::kStallBank);
    device_.rd_beats_i = event(Counter::kReadBeats);
    device_.wr_beat_i = event(Counter::kWriteBeats);
    device_.unit_done_i = event(Counter::kDoneWeights) | event(Counter::kDoneLoad) << 1 |
                          event(Counter::kDoneStore) << 2 | event(Counter::kDoneConv) << 3 |
                          event(Counter::kDoneVec) << 4;
  }

  typename Build::Device device_;
  CtrlModel model_;
  CtrlOutputs outputs_;
  int cycle_ = 0;
};

template <typename Build>
class AxilCtrlTest : public testing::Test {
 protected:
  void Cycle() {
    pair.Look();
    pair.Step(in);
  }
  void Write(uint32_t address, uint32_t data, uint32_t strobes = 15) {
    in.awvalid = in.wvalid = in.bready = true;
    in.awaddr = address;
    in.wdata = data;
    in.wstrb = strobes;
    Cycle();
    in.awvalid = in.wvalid = false;
    while (!pair.Look().bvalid) pair.Step(in);
    pair.Step(in);
  }
  uint32_t Read(uint32_t address) {
    in.arvalid = in.rready = true;
    in.araddr = address;
    Cycle();
    in.arvalid = false;
    while (!pair.Look().rvalid) pair.Step(in);
    const uint32_t data = pair.Look().rdata;
    pair.Step(in);
    return data;
  }
  uint64_t ReadCounter(Counter counter) {
    const uint32_t address = kCounterBase + 8 * static_cast<uint32_t>(counter);
    const uint64_t low = Read(address);
    return low | static_cast<uint64_t>(Read(address + 4)) << 32;
  }
  void Finish() {
    in.done = true;
    Cycle();
    in.done = false;
  }

  Pair<Build> pair;
  CtrlInputs in;
};
using Builds = testing::Types<Plain, Carry>;
TYPED_TEST_SUITE(AxilCtrlTest, Builds);

TYPED_TEST(AxilCtrlTest, AProgramFromStartToEnd) {
  EXPECT_EQ(this->Read(kIdRegister), kIdValue);
  EXPECT_EQ(this->Read(kCtrlRegister), kCtrlApIdle.mask());
  this->Write(kCtrlRegister, kCtrlApStart.mask());
  EXPECT_TRUE(this->pair.model().running());
  EXPECT_EQ(this->Read(kCtrlRegister), kCtrlApStart.mask());
  EXPECT_EQ(this->Read(kStatusRegister), kStatusBusy.mask());
  this->in.error_valid = true;
  this->in.error_code = static_cast<uint32_t>(ErrorCode::kDramRange);
  this->in.error_index = 77;
  this->Cycle();
  this->in.error_code = static_cast<uint32_t>(ErrorCode::kWatchdog);
  this->Finish();
  this->in.error_valid = false;
  const uint32_t ended = kCtrlApDone.mask() | kCtrlApReady.mask() | kCtrlApIdle.mask();
  EXPECT_EQ(this->Read(kCtrlRegister), ended);
  EXPECT_EQ(this->Read(kCtrlRegister), kCtrlApIdle.mask());
  EXPECT_EQ(this->Read(kStatusRegister), static_cast<uint32_t>(ErrorCode::kDramRange));
  EXPECT_EQ(this->Read(kErrorIndexRegister), 77u);
  this->Write(kCtrlRegister, kCtrlApStart.mask());
  EXPECT_EQ(this->Read(kStatusRegister), kStatusBusy.mask());
  EXPECT_EQ(this->Read(kErrorIndexRegister), 0u);
}

TYPED_TEST(AxilCtrlTest, RestartsByItself) {
  this->Write(kCtrlRegister, kCtrlApStart.mask() | kCtrlAutoRestart.mask());
  this->Finish();
  this->Cycle();
  this->Cycle();
  EXPECT_TRUE(this->pair.model().running());
  this->Write(kCtrlRegister, 0);
  EXPECT_TRUE(this->pair.model().running());
  this->Finish();
  this->Cycle();
  this->Cycle();
  EXPECT_FALSE(this->pair.model().running());
  EXPECT_EQ(this->pair.model().seen().restarts, 1);
}

TYPED_TEST(AxilCtrlTest, Interrupts) {
  const auto run = [this] {
    this->Write(kCtrlRegister, kCtrlApStart.mask());
    this->Finish();
    this->Cycle();
  };
  run();
  EXPECT_EQ(this->Read(kIsrRegister), 0u);
  this->Write(kIerRegister, kIerDone.mask());
  run();
  EXPECT_EQ(this->Read(kIsrRegister), kIsrDone.mask());
  EXPECT_FALSE(this->pair.Look().interrupt);
  this->Write(kGieRegister, 1);
  this->Cycle();
  EXPECT_TRUE(this->pair.Look().interrupt);
  this->Write(kIsrRegister, kIsrDone.mask());
  this->Cycle();
  EXPECT_FALSE(this->pair.Look().interrupt);
  this->Write(kIsrRegister, kIsrReady.mask());
  this->Cycle();
  EXPECT_TRUE(this->pair.Look().interrupt);
}

TYPED_TEST(AxilCtrlTest, Strobes) {
  this->Write(kProgAddrLoRegister, 0x11223344);
  this->Write(kProgAddrLoRegister, 0xaabbccdd, 0b0110);
  EXPECT_EQ(this->Read(kProgAddrLoRegister), 0x11bbcc44u);
  this->Write(kProgAddrHiRegister, 0xffffffff, 0b1110);
  EXPECT_EQ(this->Read(kProgAddrHiRegister), 0xff00u);
  EXPECT_EQ(this->pair.Look().prog_addr, 0xff0011bbcc44u);
  this->Write(kCtrlRegister, kCtrlApStart.mask(), 0b1110);
  EXPECT_EQ(this->Read(kCtrlRegister), kCtrlApIdle.mask());
}

TYPED_TEST(AxilCtrlTest, CountsWhileAProgramRuns) {
  for (int i = 1; i < kCounterSlots; ++i) this->in.events[i] = i == static_cast<int>(Counter::kReadBeats) ? 7 : 1;
  for (const uint64_t cycles : {100u, 33u}) {
    this->Write(kCtrlRegister, kCtrlApStart.mask());
    while (!this->pair.model().running()) this->Cycle();
    for (uint64_t i = 2; i < cycles; ++i)
      this->Cycle();  // one ran before, with the answer to the write; one is the last
    this->Finish();
    for (int i = 0; i < 5; ++i) this->Cycle();
    const uint64_t ran = this->ReadCounter(Counter::kCycles) - TypeParam::kCounterClear;
    EXPECT_NEAR(static_cast<double>(ran), static_cast<double>(cycles), 1);
    EXPECT_EQ(this->ReadCounter(Counter::kReadBeats), TypeParam::kCounterClear + 7 * ran);
    EXPECT_EQ(this->ReadCounter(Counter::kDoneVec), TypeParam::kCounterClear + ran);
    EXPECT_EQ(this->ReadCounter(Counter::kSteps), TypeParam::kCounterClear + ran);
  }
}

// A master whose channels stall at random, on their own, each with several transfers to come.
class RandomMaster {
 public:
  explicit RandomMaster(uint64_t seed) : random_(seed) {}

  CtrlInputs Next(const CtrlOutputs& out, bool running) {
    if (Once(200)) {
      eagerness_ = 1 + random_() % 8;
      length_ = Once(2) ? 12 : 120;
    }
    in_.awvalid = Hold(in_.awvalid, awready_) || (ahead_ < 3 && Now());
    if (in_.awvalid && !Hold(was_.awvalid, awready_)) in_.awaddr = AnyAddress();
    in_.wvalid = Hold(in_.wvalid, wready_) || (ahead_ > -3 && Now());
    if (in_.wvalid && !Hold(was_.wvalid, wready_)) {
      in_.wdata = Once(4) ? 1 : static_cast<uint32_t>(random_());
      in_.wstrb = Once(4) ? random_() % 16 : 15;
    }
    in_.arvalid = Hold(in_.arvalid, arready_) || Now();
    if (in_.arvalid && !Hold(was_.arvalid, arready_)) in_.araddr = AnyAddress();
    in_.bready = Now();
    in_.rready = Now();
    in_.done = running && Once(length_);
    in_.error_valid = Once(10);
    in_.error_code = 1 + random_() % 5;
    in_.error_index = static_cast<uint32_t>(random_());
    for (int i = 0; i < kCounterSlots; ++i) in_.events[i] = i == 7 ? random_() % 8 : random_() % 2;
    in_.events[0] = in_.events[14] = in_.events[15] = 0;
    awready_ = out.awready;
    wready_ = out.wready;
    arready_ = out.arready;
    ahead_ += (in_.awvalid && awready_ ? 1 : 0) - (in_.wvalid && wready_ ? 1 : 0);
    was_ = in_;
    return in_;
  }

 private:
  static bool Hold(bool was_valid, bool was_ready) { return was_valid && !was_ready; }
  bool Once(uint64_t in) { return random_() % in == 0; }
  bool Now() { return random_() % 8 < eagerness_; }
  uint32_t AnyAddress() {
    if (Once(3)) return kCtrlRegister + 4 * (random_() % 4);
    return static_cast<uint32_t>(Once(8) ? random_() % kRegisterBytes : random_() % 0x100);
  }

  std::mt19937_64 random_;
  uint64_t eagerness_ = 4;
  uint64_t length_ = 12;  // cycles that a program runs, about
  CtrlInputs in_, was_;
  bool awready_ = false, wready_ = false, arready_ = false;
  int ahead_ = 0;  // addresses sent before their data
};

TYPED_TEST(AxilCtrlTest, RandomTraffic) {
  RandomMaster master(20);
  for (int cycle = 0; cycle < 300000 && !this->HasFailure(); ++cycle) {
    const CtrlOutputs out = this->pair.Look();
    this->pair.Step(master.Next(out, this->pair.model().running()));
  }
  const CtrlSeen& seen = this->pair.model().seen();
  EXPECT_GT(seen.programs, 1000);
  EXPECT_GT(seen.restarts, 100);
  EXPECT_GT(seen.errors, 100);
  EXPECT_GT(seen.done_while_ctrl_is_read, 10);
  EXPECT_GT(seen.done_while_isr_is_written, 10);
  EXPECT_GT(seen.done_while_start_is_written, 10);
  EXPECT_GT(seen.address_first, 1000);
  EXPECT_GT(seen.data_first, 1000);
  EXPECT_GT(seen.counter_reads, 1000);
  EXPECT_GT(seen.interrupts, 100);
  if (TypeParam::kCounterClear != 0) {
    EXPECT_GT(seen.counter_reads_beyond_32_bits, 100);
  }
}

}  // namespace
}  // namespace msq::hw

// A verilated msq_kernel as a SimulatedKernel, for any configuration: Dut is the class that Verilator made.
#pragma once

#include <type_traits>

#include "base/check.h"
#include "hw/sim/simulated_kernel.h"

namespace msq::hw {

// Bits of a port: Verilator has integers up to 64 bits and arrays of 32-bit words beyond. Fields of 64 bits at most.
template <typename Port>
uint64_t TakePort(const Port& port, int lowest, int width) {
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  if constexpr (std::is_integral_v<Port>) {
    return static_cast<uint64_t>(port) >> lowest & mask;
  } else {
    uint64_t value = 0;
    for (int taken = -(lowest % 32), word = lowest / 32; taken < width; taken += 32, ++word) {
      const uint64_t bits = port[static_cast<size_t>(word)];
      value |= taken < 0 ? bits >> -taken : bits << taken;
    }
    return value & mask;
  }
}

template <typename Port>
void PutPort(Port& port, int lowest, int width, uint64_t value) {
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  if constexpr (std::is_integral_v<Port>) {
    port = static_cast<Port>((static_cast<uint64_t>(port) & ~(mask << lowest)) | (value & mask) << lowest);
  } else {
    for (int bit = 0; bit < width;) {
      const int shift = (lowest + bit) % 32;
      const int count = std::min(32 - shift, width - bit);
      const uint32_t part = (count == 32 ? ~0u : (1u << count) - 1) << shift;
      auto& word = port[static_cast<size_t>((lowest + bit) / 32)];
      word = (word & ~part) | (static_cast<uint32_t>(value >> bit << shift) & part);
      bit += count;
    }
  }
}

template <typename Dut>
class VerilatedKernel final : public SimulatedKernel {
 public:
  explicit VerilatedKernel(AxiMemory* memory) : memory_(memory), ports_(memory->options().ports) {
    dut_.rst_ni = 0;
    for (int i = 0; i < 4; ++i) Clock();
    dut_.rst_ni = 1;
    Clock();
  }
  ~VerilatedKernel() override { dut_.final(); }

  void Clock() override {
    for (int p = 0; p < ports_; ++p) FromMemory(p);
    dut_.clk_i = 0;
    dut_.eval();
    completed_ = dut_.trace_done_o;
    for (int p = 0; p < ports_; ++p) ToMemory(p);
    memory_->Tick();
    aw_taken_ = dut_.s_axi_awvalid_i && dut_.s_axi_awready_o;
    w_taken_ = dut_.s_axi_wvalid_i && dut_.s_axi_wready_o;
    ar_taken_ = dut_.s_axi_arvalid_i && dut_.s_axi_arready_o;
    b_taken_ = dut_.s_axi_bvalid_o && dut_.s_axi_bready_i;
    r_taken_ = dut_.s_axi_rvalid_o && dut_.s_axi_rready_i;
    if (r_taken_) read_data_ = dut_.s_axi_rdata_o;
    dut_.clk_i = 1;
    dut_.eval();
    ++cycle_;
  }

  uint64_t cycle() const override { return cycle_; }
  bool interrupt() const override { return dut_.interrupt_o != 0; }
  uint32_t completed() const override { return completed_; }

  uint32_t ReadRegister(uint32_t address) override {
    dut_.s_axi_araddr_i = static_cast<uint16_t>(address);
    dut_.s_axi_arvalid_i = 1;
    dut_.s_axi_rready_i = 1;
    bool taken = false;
    for (int i = 0; i < kPatience && !taken; ++i) {
      Clock();
      if (ar_taken_) dut_.s_axi_arvalid_i = 0;
      taken = r_taken_;
    }
    MSQ_CHECK(taken);  // the register file answers within some cycles whatever else goes on
    dut_.s_axi_rready_i = 0;
    return read_data_;
  }

  void WriteRegister(uint32_t address, uint32_t value) override {
    dut_.s_axi_awaddr_i = static_cast<uint16_t>(address);
    dut_.s_axi_wdata_i = value;
    dut_.s_axi_wstrb_i = 0xf;
    dut_.s_axi_awvalid_i = dut_.s_axi_wvalid_i = dut_.s_axi_bready_i = 1;
    bool taken = false;
    for (int i = 0; i < kPatience && !taken; ++i) {
      Clock();
      if (aw_taken_) dut_.s_axi_awvalid_i = 0;
      if (w_taken_) dut_.s_axi_wvalid_i = 0;
      taken = b_taken_;
    }
    MSQ_CHECK(taken);
    dut_.s_axi_bready_i = 0;
  }

 private:
  static constexpr int kPatience = 1000;  // cycles

  void FromMemory(int p) {
    const AxiPort& port = memory_->port(p);
    PutPort(dut_.m_axi_arready_i, p, 1, port.arready);
    PutPort(dut_.m_axi_rvalid_i, p, 1, port.rvalid);
    PutPort(dut_.m_axi_rlast_i, p, 1, port.rlast);
    PutPort(dut_.m_axi_rresp_i, 2 * p, 2, port.rresp);
    PutPort(dut_.m_axi_rdata_i, 64 * p, 64, port.rdata);
    if (p != 0) return;
    dut_.m_axi_awready_i = port.awready;
    dut_.m_axi_wready_i = port.wready;
    dut_.m_axi_bvalid_i = port.bvalid;
    dut_.m_axi_bresp_i = port.bresp;
  }

  void ToMemory(int p) {
    AxiPort& port = memory_->port(p);
    port.arvalid = TakePort(dut_.m_axi_arvalid_o, p, 1) != 0;
    port.araddr = TakePort(dut_.m_axi_araddr_o, 48 * p, 48);
    port.arlen = static_cast<uint8_t>(TakePort(dut_.m_axi_arlen_o, 8 * p, 8));
    port.arsize = static_cast<uint8_t>(TakePort(dut_.m_axi_arsize_o, 3 * p, 3));
    port.arburst = static_cast<uint8_t>(TakePort(dut_.m_axi_arburst_o, 2 * p, 2));
    port.rready = TakePort(dut_.m_axi_rready_o, p, 1) != 0;
    if (p != 0) return;
    port.awvalid = dut_.m_axi_awvalid_o;
    port.awaddr = dut_.m_axi_awaddr_o;
    port.awlen = dut_.m_axi_awlen_o;
    port.awsize = dut_.m_axi_awsize_o;
    port.awburst = dut_.m_axi_awburst_o;
    port.wvalid = dut_.m_axi_wvalid_o;
    port.wdata = dut_.m_axi_wdata_o;
    port.wstrb = dut_.m_axi_wstrb_o;
    port.wlast = dut_.m_axi_wlast_o;
    port.bready = dut_.m_axi_bready_o;
  }

  AxiMemory* const memory_;
  const int ports_;
  Dut dut_;
  uint64_t cycle_ = 0;
  uint32_t completed_ = 0;
  uint32_t read_data_ = 0;
  bool aw_taken_ = false, w_taken_ = false, ar_taken_ = false, b_taken_ = false, r_taken_ = false;
};

}  // namespace msq::hw

// Connects the AXI ports of a verilated model (m_ar*, m_r*, m_aw*, m_w*, m_b*, flat buses of all ports) to an
// AxiMemory.
#pragma once

#include "hw/rtl/testing/signals.h"
#include "hw/sim/axi_memory.h"

namespace msq::hw {

// Before the model settles: the memory's outputs of this cycle.
template <typename Dut>
void DriveReadPort(Dut& dut, AxiMemory& memory, int p) {
  const AxiPort& port = memory.port(p);
  SetBits(dut.m_arready_i, p, 1, port.arready);
  SetBits(dut.m_rvalid_i, p, 1, port.rvalid);
  SetBits(dut.m_rdata_i, p * 64, 64, port.rdata);
  SetBits(dut.m_rresp_i, p * 2, 2, port.rresp);
  SetBits(dut.m_rlast_i, p, 1, port.rlast);
}

// After it settled, before AxiMemory::Tick.
template <typename Dut>
void SampleReadPort(Dut& dut, AxiMemory& memory, int p) {
  AxiPort& port = memory.port(p);
  port.arvalid = GetBits(dut.m_arvalid_o, p, 1) != 0;
  port.araddr = GetBits(dut.m_araddr_o, p * 48, 48);
  port.arlen = static_cast<uint8_t>(GetBits(dut.m_arlen_o, p * 8, 8));
  port.arsize = static_cast<uint8_t>(GetBits(dut.m_arsize_o, p * 3, 3));
  port.arburst = static_cast<uint8_t>(GetBits(dut.m_arburst_o, p * 2, 2));
  port.rready = GetBits(dut.m_rready_o, p, 1) != 0;
}

template <typename Dut>
void DriveWritePort(Dut& dut, AxiMemory& memory) {
  const AxiPort& port = memory.port(0);
  dut.m_awready_i = port.awready;
  dut.m_wready_i = port.wready;
  dut.m_bvalid_i = port.bvalid;
  dut.m_bresp_i = port.bresp;
}

template <typename Dut>
void SampleWritePort(Dut& dut, AxiMemory& memory) {
  AxiPort& port = memory.port(0);
  port.awvalid = dut.m_awvalid_o != 0;
  port.awaddr = dut.m_awaddr_o;
  port.awlen = dut.m_awlen_o;
  port.awsize = dut.m_awsize_o;
  port.awburst = dut.m_awburst_o;
  port.wvalid = dut.m_wvalid_o != 0;
  port.wdata = dut.m_wdata_o;
  port.wstrb = dut.m_wstrb_o;
  port.wlast = dut.m_wlast_o != 0;
  port.bready = dut.m_bready_o != 0;
}

}  // namespace msq::hw

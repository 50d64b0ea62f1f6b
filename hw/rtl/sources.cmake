# The RTL, file by file, relative to hw/rtl. MSQ_<UNIT>_RTL is what a unit takes; what units share, each of them names.
set(MSQ_GEMM_RTL msq_lane_pkg.sv msq_gemm.sv msq_sp2_mul.sv msq_tern_add.sv msq_tern_acc.sv msq_sp2_lane.sv msq_dsp4_chain.sv
  msq_fix_tile.sv msq_readout.sv msq_shadow.sv)
set(MSQ_ACT_MEM_RTL msq_act_mem.sv msq_act_piece.sv msq_act_bank.sv msq_act_column.sv)
set(MSQ_CONV_RTL ${MSQ_ISA_SV} msq_conv.sv msq_walker.sv msq_steps.sv msq_lanes.sv msq_addr_add.sv)
set(MSQ_DRAIN_RTL ${MSQ_ISA_SV} msq_drain.sv msq_drain_walk.sv msq_drain_skip.sv msq_drain_write.sv msq_requant.sv
  msq_level_fifo.sv msq_addr_add.sv)
set(MSQ_VEC_RTL ${MSQ_ISA_SV} msq_vec.sv msq_vec_walk.sv msq_vec_max.sv msq_addr_add.sv)
set(MSQ_WGT_RTL ${MSQ_ISA_SV} msq_lane_pkg.sv msq_wgt.sv msq_wgt_port.sv msq_wgt_requests.sv msq_wgt_walk.sv
  msq_wgt_decode.sv msq_wgt_code.sv msq_wgt_slice.sv msq_wgt_params.sv msq_wgt_used.sv msq_fifo.sv)
set(MSQ_MOVE_RTL ${MSQ_ISA_SV} msq_load.sv msq_store.sv msq_act_walk.sv msq_dram_walk.sv msq_addr_add.sv msq_fifo.sv)
set(MSQ_AXI_RD_RTL msq_axi_rd.sv msq_axi_window.sv)
set(MSQ_AXI_WR_RTL msq_axi_wr.sv msq_axi_window.sv)
set(MSQ_FETCH_RTL ${MSQ_ISA_SV} msq_fetch.sv msq_fifo.sv)
set(MSQ_CTRL_RTL ${MSQ_REGS_SV} msq_axil_ctrl.sv msq_counters.sv)

# The accelerator, packages first.
set(MSQ_KERNEL_RTL ${MSQ_ISA_SV} ${MSQ_REGS_SV} msq_lane_pkg.sv msq_kernel.sv ${MSQ_GEMM_RTL} ${MSQ_ACT_MEM_RTL}
  ${MSQ_CONV_RTL} ${MSQ_DRAIN_RTL} ${MSQ_VEC_RTL} ${MSQ_WGT_RTL} ${MSQ_MOVE_RTL} ${MSQ_AXI_RD_RTL} ${MSQ_AXI_WR_RTL}
  ${MSQ_FETCH_RTL} ${MSQ_CTRL_RTL} msq_team.sv)
list(REMOVE_DUPLICATES MSQ_KERNEL_RTL)

# One library msq_kernel_<configuration> for each configuration of hw/regs/configurations.json: its RTL, verilated,
# behind hw/sim/kernels.h. Built when something needs it.
foreach(name ${MSQ_CONFIGURATIONS})
  set(dut msq_kernel_${name}_dut)
  # The parameters, BUILD_ID among them, come from the generator.
  msq_verilate(${dut} TOP msq_kernel SRCS ${MSQ_KERNEL_RTL} ARGUMENTS ${MSQ_GENERATED}/hw/msq_kernel_${name}.f)
  configure_file(${PROJECT_SOURCE_DIR}/hw/sim/verilated_kernel.cc.in verilated_kernel_${name}.cc @ONLY)
  msq_library(msq_kernel_${name}
    SRCS ${CMAKE_CURRENT_BINARY_DIR}/verilated_kernel_${name}.cc
    DEPS ${dut} msq_axi_memory msq_hw_regs msq_base)
  set_target_properties(msq_kernel_${name} PROPERTIES EXCLUDE_FROM_ALL ON)
endforeach()

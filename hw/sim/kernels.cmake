# One library msq_kernel_<configuration> for each configuration of hw/regs/configurations.json: its RTL, verilated,
# behind hw/sim/kernels.h; and the same as a module, lib/libmsq_rtl_<configuration>.so, for programs that load it
# (hw/sim/machine_factory.h). Built when something needs it.
foreach(name ${MSQ_CONFIGURATIONS})
  set(dut msq_kernel_${name}_dut)
  # The parameters, BUILD_ID among them, come from the generator.
  msq_verilate(${dut} TOP msq_kernel SRCS ${MSQ_KERNEL_RTL} ARGUMENTS ${MSQ_GENERATED}/hw/msq_kernel_${name}.f PIC)
  configure_file(${PROJECT_SOURCE_DIR}/hw/sim/verilated_kernel.cc.in verilated_kernel_${name}.cc @ONLY)
  msq_library(msq_kernel_${name}
    SRCS ${CMAKE_CURRENT_BINARY_DIR}/verilated_kernel_${name}.cc
    DEPS ${dut} msq_axi_memory msq_hw_regs msq_base)
  set_target_properties(msq_kernel_${name} PROPERTIES EXCLUDE_FROM_ALL ON POSITION_INDEPENDENT_CODE ON)

  configure_file(${PROJECT_SOURCE_DIR}/hw/sim/rtl_module.cc.in rtl_module_${name}.cc @ONLY)
  add_library(msq_rtl_${name} MODULE ${CMAKE_CURRENT_BINARY_DIR}/rtl_module_${name}.cc)
  target_link_libraries(msq_rtl_${name} PRIVATE msq_options msq_kernel_${name} msq_rtl_machine)
  set_target_properties(msq_rtl_${name} PROPERTIES
    EXCLUDE_FROM_ALL ON LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
endforeach()
set_target_properties(msq_verilated PROPERTIES POSITION_INDEPENDENT_CODE ON)

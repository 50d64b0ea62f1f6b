# One library msq_kernel_<configuration> for each configuration of hw/regs/configurations.json: its RTL, verilated, behind
# hw/sim/kernels.h. Built when something needs it.
set(MSQ_KERNEL_SRCS
  ${MSQ_ISA_SV} ${MSQ_REGS_SV})
file(GLOB msq_kernel_rtl CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/hw/rtl/msq_*.sv)
list(FILTER msq_kernel_rtl EXCLUDE REGEX "_tb\\.sv$")
list(APPEND MSQ_KERNEL_SRCS ${msq_kernel_rtl})

file(READ ${PROJECT_SOURCE_DIR}/hw/regs/configurations.json configurations)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/hw/regs/configurations.json)
string(JSON count LENGTH "${configurations}" configurations)
math(EXPR last "${count} - 1")
foreach(i RANGE ${last})
  string(JSON name GET "${configurations}" configurations ${i} name)
  set(parameters)
  foreach(parameter P F S Q BANKS DEPTH WDEPTH PORTS)
    string(JSON value GET "${configurations}" configurations ${i} ${parameter})
    list(APPEND parameters ${parameter}=${value})
  endforeach()
  set(dut msq_kernel_${name}_dut)
  msq_verilate(${dut} TOP msq_kernel SRCS ${MSQ_KERNEL_SRCS} PARAMS ${parameters})
  add_dependencies(${dut}_archive msq_hw_generated)
  configure_file(${PROJECT_SOURCE_DIR}/hw/sim/verilated_kernel.cc.in verilated_kernel_${name}.cc @ONLY)
  msq_library(msq_kernel_${name}
    SRCS ${CMAKE_CURRENT_BINARY_DIR}/verilated_kernel_${name}.cc
    DEPS ${dut} msq_axi_memory msq_hw_regs msq_base)
  add_dependencies(msq_kernel_${name} ${dut}_archive)
  set_target_properties(msq_kernel_${name} PROPERTIES EXCLUDE_FROM_ALL ON)
endforeach()

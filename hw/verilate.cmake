# Two ways to use RTL from C++: msq_verilate makes a library of a module, msq_rtl_test a GoogleTest program that drives one.

get_filename_component(MSQ_VERILATOR_INCLUDE "${MSQ_VERILATOR}/../../share/verilator/include" ABSOLUTE)
add_library(msq_verilated STATIC
  ${MSQ_VERILATOR_INCLUDE}/verilated.cpp
  ${MSQ_VERILATOR_INCLUDE}/verilated_threads.cpp)
target_include_directories(msq_verilated SYSTEM PUBLIC ${MSQ_VERILATOR_INCLUDE} ${MSQ_VERILATOR_INCLUDE}/vltstd)
target_compile_features(msq_verilated PUBLIC cxx_std_20)
target_link_libraries(msq_verilated PUBLIC Threads::Threads)

set(MSQ_ISA_SV ${MSQ_GENERATED}/hw/msq_isa.sv)
set(MSQ_REGS_SV ${MSQ_GENERATED}/hw/msq_regs.sv)

# msq_verilate(NAME TOP module SRCS x.sv ... [PARAMS P=4 ...] [ARGUMENTS x.f ...] [PIC] [OPTIMIZE -O0]): library NAME with
# the class V<NAME> of that module, in header V<NAME>.h; what links it waits for it. Assertions are on, warnings are errors.
# Sources are relative to hw/rtl; generated packages come first: ${MSQ_ISA_SV}, ${MSQ_REGS_SV}. ARGUMENTS are files of
# arguments. PIC: it may go into a shared library. OPTIMIZE: less than is usual, for a model that takes longer to compile
# than to run.
function(msq_verilate name)
  cmake_parse_arguments(ARG "PIC" "TOP;OPTIMIZE" "SRCS;PARAMS;ARGUMENTS" ${ARGN})
  set(flags "-std=c++20 -O2")
  set(makeflags)
  if(ARG_OPTIMIZE)  # Verilator's makefile has its own -Os for what runs often, after the CFLAGS
    set(flags "-std=c++20 ${ARG_OPTIMIZE}")
    set(makeflags -MAKEFLAGS OPT_FAST=${ARG_OPTIMIZE})
  endif()
  if(ARG_PIC)
    string(APPEND flags " -fPIC")
  endif()
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/${name}_verilated)
  set(sources)
  foreach(source ${ARG_SRCS})
    if(NOT IS_ABSOLUTE ${source})
      set(source ${PROJECT_SOURCE_DIR}/hw/rtl/${source})
    endif()
    list(APPEND sources ${source})
  endforeach()
  list(TRANSFORM ARG_PARAMS PREPEND -G)
  list(TRANSFORM ARG_ARGUMENTS PREPEND "-f;" OUTPUT_VARIABLE arguments)
  set(archive ${folder}/V${name}__ALL.a)
  add_custom_command(
    OUTPUT ${archive} ${folder}/V${name}.h
    COMMAND ${CMAKE_COMMAND} -E env OBJCACHE=ccache CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      ${MSQ_VERILATOR} --cc --build -j 2 --Mdir ${folder} --prefix V${name} --top-module ${ARG_TOP} ${ARG_PARAMS} -Wall --assert
      -O3 --x-assign fast --x-initial fast --output-split 20000 -CFLAGS ${flags} ${makeflags} ${arguments} ${sources}
    DEPENDS ${sources} ${ARG_ARGUMENTS}
    COMMENT "Verilating ${ARG_TOP} as ${name}"
    VERBATIM)
  add_custom_target(${name}_archive DEPENDS ${archive})
  add_dependencies(${name}_archive msq_hw_generated)
  add_library(${name} INTERFACE)
  add_dependencies(${name} ${name}_archive)
  target_include_directories(${name} SYSTEM INTERFACE ${folder})
  target_link_libraries(${name} INTERFACE ${archive} msq_verilated)
endfunction()

# msq_rtl_test(NAME TOP module SRCS x.sv ... BENCH x_test.cc ... [PARAMS ...] [DEPS ...]): a GoogleTest program, label sim,
# with the library NAME_dut.
function(msq_rtl_test name)
  cmake_parse_arguments(ARG "" "TOP" "SRCS;PARAMS;BENCH;DEPS" ${ARGN})
  msq_verilate(${name}_dut TOP ${ARG_TOP} SRCS ${ARG_SRCS} PARAMS ${ARG_PARAMS})
  msq_test(${name} SRCS ${ARG_BENCH} DEPS ${name}_dut ${ARG_DEPS} LABEL sim)
endfunction()

# Compiles msq_kernel_tb for Icarus Verilog:
#   cmake -D IVERILOG=... -D ARGUMENTS=msq_kernel_tiny.f -D OUTPUT=x.vvp -P iverilog.cmake SOURCES...
# The parameters are those that the generator wrote for Verilator. Any message but those of what Icarus 11 is known to
# leave out, without harm, is an error; among them names that it takes for undeclared wires (-Wimplicit).
file(STRINGS ${ARGUMENTS} parameters)
list(TRANSFORM parameters REPLACE "^-G(.+)=(.+)$" ".\\1(\\2)")
list(JOIN parameters ", " parameters)
string(REGEX REPLACE ".*\\.PORTS\\(([0-9]+)\\).*" "\\1" ports "${parameters}")
set(header ${OUTPUT}.svh)
file(WRITE ${header} "`define MSQ_KERNEL_PARAMETERS ${parameters}\n`define MSQ_KERNEL_PORTS ${ports}\n")

set(sources)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(CMAKE_ARGV${i} MATCHES "\\.sv$")
    list(APPEND sources ${CMAKE_ARGV${i}})
  endif()
endforeach()
execute_process(COMMAND ${IVERILOG} -g2012 -Wimplicit -s msq_kernel_tb -o ${OUTPUT} ${header} ${sources}
  RESULT_VARIABLE result ERROR_VARIABLE messages)
foreach(harmless "constant selects in always_\\* processes" "unique/unique0 qualities are ignored"
    "System task \\(.error\\) cannot be synthesized")
  string(REGEX REPLACE "[^\n]*${harmless}[^\n]*\n" "" messages "${messages}")
endforeach()
if(result OR NOT messages STREQUAL "")
  file(REMOVE ${OUTPUT})
  message(FATAL_ERROR "${messages}")
endif()

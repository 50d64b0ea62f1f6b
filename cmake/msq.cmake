# The four ways to declare a target: msq_library, msq_binary, msq_test, msq_bench. Sources are listed, never globbed.

set(MSQ_SANITIZE "" CACHE STRING "Sanitizers to compile with, as -fsanitize= takes them")

add_library(msq_options INTERFACE)
target_compile_features(msq_options INTERFACE cxx_std_20)
target_include_directories(msq_options INTERFACE ${PROJECT_SOURCE_DIR})
# No contraction: the few float operations at the edge give the same bits on every machine.
target_compile_options(msq_options INTERFACE -Wall -Wextra -Werror -ffp-contract=off)
# GCC 12 sees overflows and bad frees in inlined library code at -O3 that are not there.
target_compile_options(msq_options INTERFACE
  $<$<AND:$<CONFIG:Release>,$<CXX_COMPILER_ID:GNU>>:-Wno-error=stringop-overflow;-Wno-error=array-bounds;-Wno-error=free-nonheap-object>)
if(MSQ_SANITIZE)
  target_compile_options(msq_options INTERFACE -fsanitize=${MSQ_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(msq_options INTERFACE -fsanitize=${MSQ_SANITIZE})
  # Protobuf's map fields have another layout where this macro is defined, but not in Debian's library: reflection and
  # text format would read beside them.
  if(MSQ_SANITIZE MATCHES "thread")
    target_compile_options(msq_options INTERFACE -U__SANITIZE_THREAD__)
    # The standard library looks at the same macro for the form of its reference counts that the sanitizer understands.
    target_compile_definitions(msq_options INTERFACE _GLIBCXX_TSAN=1)
    set(MSQ_SANITIZER_ENV "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan_suppressions.txt")
  endif()
endif()

# msq_library(NAME [SRCS ...] [DEPS ...]): a static library, or an interface library when it has headers only.
function(msq_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  if(ARG_SRCS)
    add_library(${name} STATIC ${ARG_SRCS})
    target_link_libraries(${name} PUBLIC msq_options ${ARG_DEPS})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE msq_options ${ARG_DEPS})
  endif()
endfunction()

# Where test scripts find programs: in a cross build each is a script that starts the real one under the emulator.
set(MSQ_BIN_DIR ${CMAKE_BINARY_DIR}/bin)
if(CMAKE_CROSSCOMPILING_EMULATOR)
  set(MSQ_BIN_DIR ${CMAKE_BINARY_DIR}/emulated)
endif()

# msq_binary(NAME SRCS ... DEPS ...): a program in build/<preset>/bin.
function(msq_binary name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE msq_options ${ARG_DEPS})
  if(CMAKE_CROSSCOMPILING_EMULATOR)
    list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
    file(GENERATE OUTPUT ${MSQ_BIN_DIR}/${name}
      CONTENT "#!/bin/sh\nexec ${emulator} $<TARGET_FILE:${name}> \"$@\"\n"
      FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
  endif()
endfunction()

# msq_program(VARIABLE NAME): the path by which a test script starts that msq_binary, which may be in another folder than bin.
function(msq_program variable name)
  set(${variable} $<TARGET_FILE:${name}> PARENT_SCOPE)
  if(CMAKE_CROSSCOMPILING_EMULATOR)
    set(${variable} ${MSQ_BIN_DIR}/${name} PARENT_SCOPE)
  endif()
endfunction()

# Tests that mean nothing under qemu-user: it does not start a program anew for itself, takes its time, and tells the handler
# of a SIGBUS an address of the host's.
set(MSQ_NOT_EMULATED
  "*DeathTest.*:EmulatedDeviceTest.UnpacedItIsNotHeldUp:SharedMemoryTest.SurvivesATruncation:SharedMemoryTest.SurvivesTruncationWhile*")

# msq_test(NAME SRCS ... DEPS ... [LABEL fast|sim|slow] [TIMEOUT s] [ENV K=V ...] [ON_DEMAND]): a GoogleTest program,
# one ctest entry. ON_DEMAND: the build of everything leaves it out; an entry NAME_build that ctest runs first makes it.
function(msq_test name)
  cmake_parse_arguments(ARG "ON_DEMAND" "LABEL;TIMEOUT" "SRCS;DEPS;ENV" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE msq_options ${ARG_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  if(NOT ARG_LABEL)
    set(ARG_LABEL fast)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(CMAKE_CROSSCOMPILING_EMULATOR)
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 10")
    list(APPEND ARG_ENV "GTEST_FILTER=-${MSQ_NOT_EMULATED}")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "${ARG_ENV};${MSQ_SANITIZER_ENV}")
  if(ARG_ON_DEMAND)
    # clang-tidy would miss what has not been generated.
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON EXPORT_COMPILE_COMMANDS OFF)
    add_test(NAME ${name}_build COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target ${name})
    # One build in a folder at a time.
    set_tests_properties(${name}_build PROPERTIES
      LABELS ${ARG_LABEL} TIMEOUT 3600 FIXTURES_SETUP ${name} RESOURCE_LOCK build_folder)
    set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED ${name})
  endif()
endfunction()

# msq_bench(NAME SRCS ... DEPS ...): a Google Benchmark program in build/<preset>/bin.
function(msq_bench name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE msq_options ${ARG_DEPS} benchmark::benchmark)
endfunction()

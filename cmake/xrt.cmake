# Finds XRT 2.13 as Debian packages it (libxrt-dev), for the target msq_xrt; MSQ_HAS_XRT says whether there is one. Its own
# pkg-config file is wrong, and it ships no CMake package. Programs link libxrt_coreutil alone: libxrt_core would become
# the driver, and no emulation could take its place. A cross build may do with the headers: it links a stub of that library
# (backends/fpga/CMakeLists.txt), and the board has the real one.
option(MSQ_XRT "Build what talks to boards through XRT, and the emulation of one (needs libxrt-dev)" ON)
set(MSQ_HAS_XRT OFF)
if(MSQ_XRT)
  find_path(MSQ_XRT_INCLUDE xrt/xrt_device.h PATH_SUFFIXES xrt)
  find_library(MSQ_XRT_COREUTIL xrt_coreutil)
  find_library(MSQ_XRT_UUID uuid)
endif()
set(MSQ_XRT_LIBRARY ${MSQ_XRT_COREUTIL})
if(MSQ_XRT AND MSQ_XRT_INCLUDE AND NOT MSQ_XRT_LIBRARY AND CMAKE_CROSSCOMPILING)
  message(STATUS "xrt: headers alone: linking a stub of libxrt_coreutil.so.2")
  set(MSQ_XRT_LIBRARY msq_xrt_link_stub)
endif()
if(MSQ_XRT AND MSQ_XRT_INCLUDE AND MSQ_XRT_LIBRARY AND MSQ_XRT_UUID)
  set(MSQ_HAS_XRT ON)
  add_library(msq_xrt INTERFACE)
  target_include_directories(msq_xrt SYSTEM INTERFACE ${MSQ_XRT_INCLUDE})
  target_link_libraries(msq_xrt INTERFACE ${MSQ_XRT_LIBRARY} ${MSQ_XRT_UUID})
else()
  message(STATUS "xrt: no libxrt-dev, or switched off: boards cannot be opened")
endif()

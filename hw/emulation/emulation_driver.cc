#include "hw/emulation/emulation_driver.h"

#include "hw/sim/library_folder.h"

namespace msq::emulation {

std::string DefaultDriverPath() {
  return hw::LibraryFolder() + "/libmsq_xrt_emulation.so";
}

}  // namespace msq::emulation

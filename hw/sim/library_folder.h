// Where the parts lie that programs load when they need them: verilated accelerators, the XRT emulation driver.
#pragma once

#include <string>

namespace msq::hw {

// $MSQ_LIBRARY_DIR, or "lib" beside the folder of the running program: build/<preset>/lib for build/<preset>/bin.
std::string LibraryFolder();

}  // namespace msq::hw

// The XRT emulation driver as the program that loads it sees it: libmsq_xrt_emulation.so, to be loaded before the first
// call to XRT.
#pragma once

#include <string>

namespace msq::emulation {

// Sets the options of all boards, for designs loaded from then on. Null, or what is wrong with them; the text lives until
// the thread's next call. Without a call they are those of MSQ_XRT_EMULATION.
using ConfigureFunction = const char* (*)(const char* options);
inline constexpr char kConfigureFunction[] = "MsqXrtEmulationConfigure";

// Where it is built to.
std::string DefaultDriverPath();

}  // namespace msq::emulation

extern "C" __attribute__((visibility("default"))) const char* MsqXrtEmulationConfigure(const char* options);

// A report as one page that needs nothing else: where the cycles go, in time, and how near each layer comes to the roof.
#pragma once

#include <string>

#include "backends/fpga/cosim/cosim_run.h"

namespace msq::fpga {

// `title` is the network's name.
std::string CosimHtml(const std::string& title, const CosimReport& report, const CosimSettings& settings);

}  // namespace msq::fpga

// Takes out of a loaded .xclbin what the emulation needs to know.
#pragma once

#include <xclbin.h>

#include "absl/status/statusor.h"
#include "hw/emulation/options.h"

namespace msq::emulation {

// DATA_LOSS names the section that is missing or makes no sense; UNIMPLEMENTED if the design is not one of ours.
absl::StatusOr<Design> ReadDesign(const axlf& xclbin);

}  // namespace msq::emulation

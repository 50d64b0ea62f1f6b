// How much of a program the functional model checks.
#pragma once

#include <cstdint>

namespace msq::hw {

enum class ModelChecks : uint8_t {
  kCheap,  // what costs next to nothing, for serving
  kAll,    // and what the programmer's guide leaves undefined: words that overlap, shifts and coordinates too large
};

}  // namespace msq::hw

// Holds a typed test suite to having a build in the shape of each configuration.
#pragma once

#include <gtest/gtest.h>

#include "hw/regs/configurations.h"

namespace msq::hw {

// Whether for each configuration one of the builds is like it: alike(Build(), configuration).
template <typename... Builds, typename Alike>
constexpr bool CoverEveryConfiguration(testing::Types<Builds...> /*builds*/, Alike alike) {
  for (const Configuration& configuration : kConfigurations) {
    if (!(alike(Builds(), configuration) || ...)) return false;
  }
  return true;
}

}  // namespace msq::hw

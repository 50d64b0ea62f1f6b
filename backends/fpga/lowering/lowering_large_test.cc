// Networks for ImageNet, of which small activation memories hold some maps in strips only: lowered, run, compared bit for
// bit.
#include <gtest/gtest.h>

#include <tuple>

#include "backends/fpga/testing/check_network.h"
#include "backends/testing/synthetic_networks.h"

namespace msq::fpga {
namespace {

using Parameter = std::tuple<ir::Graph (*)(), const char*>;

class LargeNetwork : public ::testing::TestWithParam<Parameter> {};

TEST_P(LargeNetwork, Conforms) {
  const auto& [make, name] = GetParam();
  testing::CheckNetwork(make(), testing::Named(name), 1);
}

INSTANTIATE_TEST_SUITE_P(ResNet18, LargeNetwork,
                         ::testing::Combine(::testing::Values(&msq::testing::ResNet18),
                                            ::testing::Values("z020", "z045")));
INSTANTIATE_TEST_SUITE_P(ResNet50, LargeNetwork,
                         ::testing::Combine(::testing::Values(&msq::testing::ResNet50),
                                            ::testing::Values("z020", "z045")));
INSTANTIATE_TEST_SUITE_P(MobileNetV2, LargeNetwork,
                         ::testing::Combine(::testing::Values(&msq::testing::MobileNetV2),
                                            ::testing::Values("z020", "z045", "paper_z020")));

}  // namespace
}  // namespace msq::fpga

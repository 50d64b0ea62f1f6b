// ResNet-18 for ImageNet, whose first layer's output no activation memory holds: lowered, run, compared bit for bit.
#include <gtest/gtest.h>

#include "backends/fpga/testing/check_network.h"
#include "backends/testing/synthetic_networks.h"

namespace msq::fpga {
namespace {

class ResNet18 : public ::testing::TestWithParam<const char*> {};

TEST_P(ResNet18, Conforms) {
  testing::CheckNetwork(msq::testing::ResNet18(), testing::Named(GetParam()), 1);
}

INSTANTIATE_TEST_SUITE_P(All, ResNet18, ::testing::Values("z020", "z045"), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace msq::fpga

// What an accelerator says of itself over AXI4-Lite is what its configuration says.
#include <gtest/gtest.h>

#include "hw/regs/configurations.h"
#include "hw/regs/registers.h"
#include "hw/sim/kernels.h"

namespace msq::hw {
namespace {

TEST(IdentityTest, TheRegistersNameTheConfiguration) {
  const Configuration& tiny = *FindConfiguration("tiny");
  AxiMemory memory(AxiMemoryOptions::Ideal());
  const auto kernel = CreateKernel_tiny(&memory);
  EXPECT_EQ(kernel->ReadRegister(kIdRegister), kIdValue);
  EXPECT_EQ(kernel->ReadRegister(kIsaVersionRegister), 2u);
  ASSERT_NE(tiny.build_id, 0u);
  EXPECT_EQ(kernel->ReadRegister(kBuildIdRegister), tiny.build_id);

  const uint32_t array = kernel->ReadRegister(kConfigArrayRegister);
  EXPECT_EQ(kConfigArrayPixels.Of(array), static_cast<uint32_t>(tiny.p));
  EXPECT_EQ(kConfigArrayDspLanes.Of(array), static_cast<uint32_t>(tiny.f));
  EXPECT_EQ(kConfigArrayLutLanes.Of(array), static_cast<uint32_t>(tiny.s));
  EXPECT_EQ(kConfigArrayDrain.Of(array), static_cast<uint32_t>(tiny.q));
  const uint32_t sizes = kernel->ReadRegister(kConfigMemoryRegister);
  EXPECT_EQ(kConfigMemoryBanks.Of(sizes), static_cast<uint32_t>(tiny.banks));
  EXPECT_EQ(kConfigMemoryPorts.Of(sizes), static_cast<uint32_t>(tiny.ports));
  EXPECT_EQ(kConfigMemoryLoads.Of(sizes), static_cast<uint32_t>(tiny.loads));
  EXPECT_EQ(kConfigMemoryVecs.Of(sizes), static_cast<uint32_t>(tiny.vecs));
  EXPECT_EQ(1u << kConfigMemoryWdepthLog2.Of(sizes), static_cast<uint32_t>(tiny.wdepth));
  EXPECT_EQ(kernel->ReadRegister(kConfigDepthRegister), static_cast<uint32_t>(tiny.depth));
}

}  // namespace
}  // namespace msq::hw

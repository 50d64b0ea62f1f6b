// What the accelerator MSQ_CONFIGURATION says of itself over AXI4-Lite is what its configuration says.
#include <gtest/gtest.h>

#include "hw/regs/configurations.h"
#include "hw/regs/registers.h"
#include "hw/sim/kernels.h"

namespace msq::hw {
namespace {

#define MSQ_TEXT_(x) #x
#define MSQ_TEXT(x) MSQ_TEXT_(x)
#define MSQ_JOIN_(a, b) a##b
#define MSQ_JOIN(a, b) MSQ_JOIN_(a, b)

TEST(IdentityTest, TheRegistersNameTheConfiguration) {
  const Configuration& shape = *FindConfiguration(MSQ_TEXT(MSQ_CONFIGURATION));
  AxiMemory memory(AxiMemoryOptions::Ideal(shape.ports));
  const auto kernel = MSQ_JOIN(CreateKernel_, MSQ_CONFIGURATION)(&memory);
  EXPECT_EQ(kernel->ReadRegister(kIdRegister), kIdValue);
  EXPECT_EQ(kernel->ReadRegister(kIsaVersionRegister), 2u);
  ASSERT_NE(shape.build_id, 0u);
  EXPECT_EQ(kernel->ReadRegister(kBuildIdRegister), shape.build_id);

  const uint32_t array = kernel->ReadRegister(kConfigArrayRegister);
  EXPECT_EQ(kConfigArrayPixels.Of(array), static_cast<uint32_t>(shape.p));
  EXPECT_EQ(kConfigArrayDspLanes.Of(array), static_cast<uint32_t>(shape.f));
  EXPECT_EQ(kConfigArrayLutLanes.Of(array), static_cast<uint32_t>(shape.s));
  EXPECT_EQ(kConfigArrayDrain.Of(array), static_cast<uint32_t>(shape.q));
  const uint32_t sizes = kernel->ReadRegister(kConfigMemoryRegister);
  EXPECT_EQ(kConfigMemoryBanks.Of(sizes), static_cast<uint32_t>(shape.banks));
  EXPECT_EQ(kConfigMemoryPorts.Of(sizes), static_cast<uint32_t>(shape.ports));
  EXPECT_EQ(kConfigMemoryLoads.Of(sizes), static_cast<uint32_t>(shape.loads));
  EXPECT_EQ(kConfigMemoryVecs.Of(sizes), static_cast<uint32_t>(shape.vecs));
  EXPECT_EQ(1u << kConfigMemoryWdepthLog2.Of(sizes), static_cast<uint32_t>(shape.wdepth));
  EXPECT_EQ(kernel->ReadRegister(kConfigDepthRegister), static_cast<uint32_t>(shape.depth));
}

}  // namespace
}  // namespace msq::hw

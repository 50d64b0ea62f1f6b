#include "base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <limits>

namespace msq {
namespace {

TEST(AllocationSize, RefusesWhatTheAddressSpaceLacks) {
  EXPECT_EQ(AllocationSize(0), 0u);
  EXPECT_EQ(AllocationSize(1 << 20), size_t{1} << 20);
  constexpr int64_t kMost = std::numeric_limits<std::ptrdiff_t>::max();
  EXPECT_EQ(AllocationSize(kMost), static_cast<size_t>(kMost));
  if (kMost == std::numeric_limits<int64_t>::max()) GTEST_SKIP() << "every count fits the addresses of this machine";
  EXPECT_THROW(AllocationSize(int64_t{1} << 32), std::bad_alloc);
  EXPECT_THROW(AllocationSize((int64_t{1} << 32) + 64), std::bad_alloc);
  EXPECT_THROW(AllocationSize(std::numeric_limits<int64_t>::max()), std::bad_alloc);
}

TEST(AlignedBuffer, HoldsZerosAndIsEmptyOnceMoved) {
  AlignedBuffer buffer(100);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.as<char>()) % AlignedBuffer::kAlignment, 0u);
  for (size_t i = 0; i < buffer.size(); ++i) EXPECT_EQ(buffer.as<char>()[i], 0);
  const AlignedBuffer other = std::move(buffer);
  EXPECT_EQ(other.size(), 100u);
  EXPECT_EQ(buffer.size(), 0u);  // NOLINT(bugprone-use-after-move): that is the promise
}

}  // namespace
}  // namespace msq

#include "hw/sim/dram_allocator.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace msq::hw {
namespace {

constexpr uint64_t kPage = DramAllocator::kPage;

TEST(DramAllocatorTest, TakesTheFirstRoomInPages) {
  DramAllocator allocator(0x1000, 4 * kPage);
  EXPECT_EQ(allocator.free_bytes(), 4 * kPage);
  EXPECT_EQ(allocator.Allocate(1), 0x1000u);
  EXPECT_EQ(allocator.Allocate(kPage + 1), 0x1000u + kPage);
  EXPECT_EQ(allocator.Allocate(2 * kPage), std::nullopt);
  allocator.Free(0x1000);
  EXPECT_EQ(allocator.Allocate(kPage), 0x1000u);
  EXPECT_EQ(allocator.Allocate(std::numeric_limits<uint64_t>::max()), std::nullopt);
}

// Whatever was taken and given, in whatever order: nothing overlaps, and in the end all is one range again.
TEST(DramAllocatorTest, RandomUse) {
  constexpr uint64_t kPages = 64;
  DramAllocator allocator(0, kPages * kPage);
  std::mt19937 random(1);
  std::vector<std::pair<uint64_t, uint64_t>> taken;
  std::vector<bool> used(kPages);
  const auto mark = [&](const std::pair<uint64_t, uint64_t>& range, bool value) {
    for (uint64_t page = range.first / kPage; page * kPage < range.first + range.second; ++page) {
      ASSERT_NE(used[page], value);
      used[page] = value;
    }
  };
  for (int i = 0; i < 5000; ++i) {
    if (random() % 2 == 0) {
      const uint64_t bytes = random() % (8 * kPage) + 1;
      if (const auto address = allocator.Allocate(bytes)) mark(taken.emplace_back(*address, bytes), true);
    } else if (!taken.empty()) {
      std::swap(taken[random() % taken.size()], taken.back());
      mark(taken.back(), false);
      allocator.Free(taken.back().first);
      taken.pop_back();
    }
    ASSERT_EQ(allocator.free_bytes() / kPage, static_cast<uint64_t>(std::count(used.begin(), used.end(), false)));
  }
  for (const auto& [address, bytes] : taken) allocator.Free(address);
  EXPECT_EQ(allocator.Allocate(kPages * kPage), 0u);
}

}  // namespace
}  // namespace msq::hw

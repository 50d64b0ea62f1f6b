#include "server/models/load_queue.h"

#include <atomic>
#include <future>
#include <vector>

#include <gtest/gtest.h>

namespace msq::server {
namespace {

TEST(LoadQueueTest, TasksOfOneKeyFollowEachOther) {
  std::vector<int> order;  // unguarded: that is the point
  {
    LoadQueue queue(4);
    for (int i = 0; i < 1000; ++i) {
      queue.Push("a", [&order, i] { order.push_back(i); });
    }
  }
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(LoadQueueTest, ASlowKeyLeavesTheOthersAlone) {
  std::promise<void> release, done;
  LoadQueue queue(2);
  queue.Push("slow", [&] { release.get_future().wait(); });
  queue.Push("slow", [] {});  // waits for its turn, not for a thread
  queue.Push("quick", [] {});
  queue.Push("quick", [&] { done.set_value(); });
  done.get_future().wait();
  release.set_value();
}

TEST(LoadQueueTest, TheDestructorRunsWhatWaits) {
  std::atomic<int> runs{0};
  {
    LoadQueue queue(1);
    for (const char* key : {"a", "b", "a", "c"}) {
      queue.Push(key, [&] { ++runs; });
    }
  }
  EXPECT_EQ(runs, 4);
}

TEST(LoadQueueTest, ATaskMayPushAnother) {
  std::promise<void> done;
  LoadQueue queue(1);
  queue.Push("a", [&] { queue.Push("a", [&] { done.set_value(); }); });
  done.get_future().wait();
}

}  // namespace
}  // namespace msq::server

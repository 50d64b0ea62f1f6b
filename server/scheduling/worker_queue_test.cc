#include "server/scheduling/worker_queue.h"

#include <atomic>
#include <future>
#include <vector>

#include <gtest/gtest.h>

namespace msq::server {
namespace {

TEST(WorkerQueueTest, RunsEveryAcceptedTaskOnceEvenWhenClosing) {
  std::atomic<int> runs{0};
  int accepted = 0;
  {
    WorkerQueue queue(3, 1000);
    for (int i = 0; i < 500; ++i) accepted += queue.TryPush([&runs] { ++runs; });
  }
  EXPECT_EQ(accepted, 500);
  EXPECT_EQ(runs, 500);
}

TEST(WorkerQueueTest, OneWorkerKeepsTheOrder) {
  std::vector<int> order;
  {
    WorkerQueue queue(1, 100);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(queue.TryPush([&order, i] { order.push_back(i); }));
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(WorkerQueueTest, RefusesWhatDoesNotFit) {
  std::promise<void> started, release;
  WorkerQueue queue(1, 2);
  ASSERT_TRUE(queue.TryPush([&] {
    started.set_value();
    release.get_future().wait();
  }));
  started.get_future().wait();  // it runs, so it takes no place
  EXPECT_TRUE(queue.TryPush([] {}));
  EXPECT_TRUE(queue.TryPush([] {}));
  EXPECT_FALSE(queue.TryPush([] { ADD_FAILURE() << "a refused task ran"; }));
  release.set_value();
}

}  // namespace
}  // namespace msq::server

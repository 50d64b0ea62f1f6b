// Five times the load that a device can take: it is kept busy with useful work, the rest is refused at once, and what is
// held does not grow.
#include <atomic>
#include <deque>

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "model/testing/sample_model.h"
#include "server/protocol/reason.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using testing::SampleRequest;
using testing::ServingStack;

constexpr absl::Duration kRun = absl::Milliseconds(4);
constexpr int kQueue = 8;
constexpr double kBusy = 0.95;  // share of the time

// Requests at a fixed rate whatever becomes of them, for a second.
struct Offered {
  std::deque<ServingStack::Pending> requests;
  int served = 0, refused = 0, late = 0;
};

class OverloadTest : public ::testing::Test {
 protected:
  OverloadTest() {
    stack_.folder().AddModel("m", 1, msq::testing::SampleModel());
    stack_.folder().AddFile("m/config.pbtxt", "max_batch_size: 1 instance_group { count: 1 }");
    ServingStack::Options options;
    options.queue_capacity = kQueue;
    stack_.Open(options);
    stack_.control().Pace(kRun);
  }

  // Up to three times: on a machine that is busy otherwise, this process itself may have to wait.
  void Offer(absl::Duration patience, Offered* offered) {
    for (int attempt = 0; attempt < 3 && busy_ < kBusy; ++attempt) OfferOnce(patience, offered);
  }

  void OfferOnce(absl::Duration patience, Offered* offered) {
    const absl::Duration busy_before = stack_.control().busy();
    const size_t sent_before = offered->requests.size();
    const absl::Time begin = absl::Now();
    const absl::Duration interval = kRun / 5;
    for (int i = 0; i * interval < absl::Seconds(1); ++i) {
      absl::SleepFor(begin + i * interval - absl::Now());
      ServingStack::Pending& pending = offered->requests.emplace_back();
      pending.request = SampleRequest();
      stack_.Send(&pending, absl::Now() + patience);
      ASSERT_LE(stack_.engine().accepted() - stack_.engine().answered(),
                kQueue + 2);  // one runs, one is being answered
    }
    busy_ = absl::FDivDuration(stack_.control().busy() - busy_before, absl::Now() - begin);
    for (size_t i = sent_before; i < offered->requests.size(); ++i) {
      const absl::Status status = offered->requests[i].answer.get();
      offered->served += status.ok() ? 1 : 0;
      offered->refused += Reason(status) == kQueueFull ? 1 : 0;
      offered->late += absl::IsDeadlineExceeded(status) ? 1 : 0;
    }
    EXPECT_EQ(static_cast<size_t>(offered->served + offered->refused + offered->late), offered->requests.size());
  }

  ServingStack stack_;
  double busy_ = 0;  // share of the time that the device worked
};

TEST_F(OverloadTest, TheDeviceWorksAllTheTimeAndTheRestIsRefused) {
  Offered offered;
  Offer(absl::Seconds(10), &offered);
  EXPECT_GE(busy_, kBusy);
  EXPECT_EQ(offered.served, stack_.control().runs());
  EXPECT_GT(offered.refused, offered.served);
}

TEST_F(OverloadTest, WhatCannotBeInTimeIsNotComputed) {
  Offered offered;
  Offer(kRun * 5, &offered);
  EXPECT_GE(busy_, kBusy);
  EXPECT_GT(offered.late, 0);
  EXPECT_GE(offered.served, 0.9 * stack_.control().runs());  // a run under way may end after the deadline
}

}  // namespace
}  // namespace msq::server

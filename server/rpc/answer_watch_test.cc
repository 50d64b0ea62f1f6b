#include "server/rpc/answer_watch.h"

#include <atomic>
#include <future>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace msq::server {
namespace {

using std::chrono::milliseconds;

TEST(AnswerWatchTest, CancelsWhatIsNotSentInTime) {
  AnswerWatch watch(milliseconds(20));
  AnswerWatch::Answer late, in_time;
  std::promise<void> cancelled;
  in_time.Sending(&watch, [] { ADD_FAILURE() << "was sent"; });
  late.Sending(&watch, [&] { cancelled.set_value(); });
  in_time.Sent();
  EXPECT_EQ(cancelled.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  late.Sent();
}

TEST(AnswerWatchTest, OneAnswerAfterTheOther) {
  AnswerWatch watch(milliseconds(20));
  AnswerWatch::Answer answer;
  for (int i = 0; i < 3; ++i) {
    answer.Sending(&watch, [] { ADD_FAILURE() << "was sent"; });
    answer.Sent();
    std::this_thread::sleep_for(milliseconds(30));  // nothing is on its way
  }
}

// As gRPC does where the reactions of a call run inline.
TEST(AnswerWatchTest, ACallMayEndWhileItIsCancelled) {
  AnswerWatch watch(milliseconds(1));
  std::promise<void> ended;
  auto call = std::make_unique<AnswerWatch::Answer>();
  call->Sending(&watch, [&] {
    call.reset();
    ended.set_value();
  });
  EXPECT_EQ(ended.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

// Calls end on other threads about when they are cancelled: `cancel` never meets one that is gone. Sanitizers would tell.
TEST(AnswerWatchTest, NothingIsCancelledOnceItIsSent) {
  struct Call {
    std::vector<int> context = std::vector<int>(16);
    AnswerWatch::Answer answer;  // goes before the context
  };
  std::atomic<int> cancelled{0};
  int sent = 0;
  {
    AnswerWatch watch(milliseconds(1));
    const auto serve = [&](unsigned seed) {
      std::mt19937 random(seed);
      for (int i = 0; i < 500; ++i) {
        auto call = std::make_unique<Call>();
        call->answer.Sending(&watch, [&cancelled, raw = call.get()] {
          for (int& value : raw->context) ++value;
          ++cancelled;
        });
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
      }
    };
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t) threads.emplace_back(serve, t);
    for (std::thread& thread : threads) thread.join();
    sent = 4 * 500 - cancelled;
  }
  EXPECT_GT(cancelled, 100);
  EXPECT_GT(sent, 100);
}

}  // namespace
}  // namespace msq::server

// What each signal does to a process, seen from outside it.
#include "server/signals.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include <gtest/gtest.h>

namespace msq::server {
namespace {

TEST(SignalsDeathTest, EndASlowStartAtOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto start = [] {
    Signals signals;
    kill(getpid(), SIGTERM);
    sleep(20);  // a start that takes long
  };
  EXPECT_EXIT(start(), ::testing::ExitedWithCode(128 + SIGTERM), "");
}

TEST(SignalsDeathTest, TheFirstStopsAndTheSecondForces) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto serve = [](bool again) {
    Signals signals;
    signals.StartServing([] {});
    kill(getpid(), SIGINT);
    const int number = signals.AwaitStop();
    if (again) {
      kill(getpid(), SIGTERM);
      sleep(20);  // a drain that takes long
    }
    std::_Exit(number);
  };
  EXPECT_EXIT(serve(false), ::testing::ExitedWithCode(SIGINT), "");
  EXPECT_EXIT(serve(true), ::testing::ExitedWithCode(128 + SIGTERM), "");
}

}  // namespace
}  // namespace msq::server

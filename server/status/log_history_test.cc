#include "server/status/log_history.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"

namespace msq::server {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

absl::Time At(int64_t second) {
  return absl::FromUnixSeconds(second);
}

std::vector<std::string> Messages(const LogHistory& history) {
  std::vector<std::string> messages;
  for (const LogHistory::Line& line : history.Read()) {
    messages.push_back(absl::StrCat(LogLevelName(line.level), " ", line.message, " ", line.count));
  }
  return messages;
}

TEST(LogHistoryTest, TheLatestComesFirst) {
  LogHistory history;
  history.Add(At(1), LogLevel::kWarning, "a");
  history.Add(At(2), LogLevel::kError, "b");
  history.Add(At(3), LogLevel::kInfo, "not kept");
  history.Add(At(4), LogLevel::kWarning, "c");
  EXPECT_THAT(Messages(history), ElementsAre("WARNING c 1", "ERROR b 1", "WARNING a 1"));
}

TEST(LogHistoryTest, WhatComesAgainIsCounted) {
  LogHistory history;
  history.Add(At(1), LogLevel::kWarning, "a");
  history.Add(At(2), LogLevel::kWarning, "b");
  history.Add(At(3), LogLevel::kWarning, "a");
  history.Add(At(4), LogLevel::kError, "a");
  EXPECT_THAT(Messages(history), ElementsAre("ERROR a 1", "WARNING a 2", "WARNING b 1"));
  EXPECT_EQ(history.Read()[1].time, At(3));
}

TEST(LogHistoryTest, AFloodOfWarningsLeavesTheErrors) {
  LogHistory history;
  history.Add(At(0), LogLevel::kError, "the error");
  for (int i = 1; i <= 1000; ++i) history.Add(At(i), LogLevel::kWarning, absl::StrCat("warning ", i));
  const auto lines = history.Read();
  ASSERT_THAT(lines, SizeIs(LogHistory::kLines + 1));
  EXPECT_EQ(lines.front().message, "warning 1000");
  EXPECT_EQ(lines.back().message, "the error");
}

TEST(LogHistoryTest, LongMessagesAreCutBetweenCharacters) {
  LogHistory history;
  const std::string fits(LogHistory::kMessageBytes, 'x');
  history.Add(At(1), LogLevel::kError, fits);
  EXPECT_EQ(history.Read()[0].message, fits);
  std::string long_one;
  while (long_one.size() < 2 * LogHistory::kMessageBytes) long_one += "\xf0\x9f\x98\x80";  // four bytes
  history.Add(At(2), LogLevel::kError, long_one);
  const std::string cut = history.Read()[0].message;
  EXPECT_EQ(cut.size(), 599u);  // 149 of them, where 150 would leave no room
  EXPECT_EQ(cut.substr(cut.size() - 7), "\xf0\x9f\x98\x80...");
}

TEST(LogHistoryTest, ManyThreads) {
  LogHistory history;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&history, t] {
      for (int i = 0; i < 500; ++i) {
        history.Add(absl::Now(), i % 2 == 0 ? LogLevel::kError : LogLevel::kWarning, absl::StrCat(t, " ", i));
        EXPECT_LE(history.Read().size(), 2 * LogHistory::kLines);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(history.Read(), SizeIs(2 * LogHistory::kLines));
}

TEST(LogHistoryTest, TheProcessRemembersItsLog) {
  LogHistory::OfProcess();
  LogWarning("something of \x1b[31mthis process");
  const auto lines = LogHistory::OfProcess().Read();
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines[0].message, "something of \\x1b[31mthis process");
}

}  // namespace
}  // namespace msq::server

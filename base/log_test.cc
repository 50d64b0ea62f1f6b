#include "base/log.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"

namespace msq {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::MatchesRegex;

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { SetLogSettings(LogSettings()); }

  // What is written under the settings when there is a line of each level.
  static std::string Write(const LogSettings& settings) {
    SetLogSettings(settings);
    ::testing::internal::CaptureStderr();
    LogInfo("i", 1);
    LogWarning("w");
    LogError("e");
    LogVerbose(1, "v");
    LogVerbose(2, "vv");
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, DefaultFormat) {
  const std::string time = "[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9][0-9][0-9]Z ";
  EXPECT_THAT(Write({}), MatchesRegex(time + "INFO i1\n" + time + "WARNING w\n" + time + "ERROR e\n"));
}

TEST_F(LogTest, Iso8601FormatHasWholeSeconds) {
  const std::string time = "[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+Z ";
  EXPECT_THAT(Write({.info = false, .warning = false, .format = LogFormat::kIso8601}),
              MatchesRegex(time + "ERROR e\n"));
}

TEST_F(LogTest, EachLevelHasASwitch) {
  EXPECT_EQ(Write({.info = false, .warning = false, .error = false}), "");
  EXPECT_THAT(Write({.info = false, .error = false}), MatchesRegex("[^\n]* WARNING w\n"));
  EXPECT_THAT(Write({.warning = false, .error = false}), MatchesRegex("[^\n]* INFO i1\n"));
}

TEST_F(LogTest, VerboseLinesUpToTheLevel) {
  const LogSettings settings{.warning = false, .error = false, .verbose_level = 1};
  EXPECT_THAT(Write(settings), MatchesRegex("[^\n]* INFO i1\n[^\n]* INFO v\n"));
  EXPECT_EQ(GetLogSettings().verbose_level, 1u);
}

std::vector<std::string> told;
void Tell(absl::Time time, LogLevel level, std::string_view message) {
  EXPECT_LT(absl::AbsDuration(absl::Now() - time), absl::Minutes(1));
  told.push_back(absl::StrCat(LogLevelName(level), "|", absl::string_view(message.data(), message.size())));
}

TEST_F(LogTest, ASinkIsToldOfWhatIsWritten) {
  SetLogSink(Tell);
  Write({.info = false});
  LogError("two\nlines");
  SetLogSink(nullptr);
  LogError("to nobody");
  EXPECT_THAT(told, ElementsAre("WARNING|w", "ERROR|e", "ERROR|two\\nlines"));
}

TEST_F(LogTest, AMessageIsOneLineWhateverIsInIt) {
  ::testing::internal::CaptureStderr();
  LogWarning("a\n2026-01-01T00:00:00.000Z ERROR forged\r\x1b[2J\x7f", absl::string_view("\0", 1), "\xc2\x9b",
             "\t\xc3\xa9\xc2");
  EXPECT_THAT(
      ::testing::internal::GetCapturedStderr(),
      EndsWith(
          " WARNING a\\n2026-01-01T00:00:00.000Z ERROR forged\\x0d\\x1b[2J\\x7f\\x00\\xc2\\x9b\\x09\xc3\xa9\xc2\n"));
}

}  // namespace
}  // namespace msq

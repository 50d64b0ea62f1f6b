// Rounds to rows: which rounds count, and what is left out with which note.
#include "clients/bench/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "clients/bench/runner.h"

namespace msq::bench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const EnergyKey kFpga{"fpga", "hwmon"};

Round MakeRound(int64_t answers, double joules) {
  Round round;
  round.load.seconds = 2;
  round.load.answers = answers;
  for (int64_t i = 0; i < answers; ++i) round.load.latencies.Add(1);
  Interval interval;
  interval.work["fpga"].counters = {.requests = double(answers),
                                    .images = double(answers),
                                    .batch_sizes = {.sum = double(answers), .count = double(answers) / 2},
                                    .phases_s = {},
                                    .batches_up_to_size = {}};
  interval.energy[kFpga] = {.joules = joules, .images = double(answers), .active_joules = {}, .dropped = {}};
  round.server = interval;
  return round;
}

Row Make(const std::vector<Round>& rounds, std::vector<std::string>* notes, const Level& level = {.concurrency = 4}) {
  return MakeRow("fpga", level, 1, rounds, 3, 10, notes);
}

TEST(MakeRowTest, StableFiguresAreThoseOfTheLastRounds) {
  std::vector<std::string> notes;
  const Row row = Make({MakeRound(50, 9), MakeRound(100, 4), MakeRound(102, 4), MakeRound(98, 4)}, &notes);
  EXPECT_EQ(row.stability, Stability::kStable);
  EXPECT_EQ(row.rounds_used, 3);
  EXPECT_EQ(row.answers, 300);
  EXPECT_EQ(row.ImagesPerSecond(), 50);
  ASSERT_EQ(row.energy.size(), 1u);
  EXPECT_EQ(row.energy[0].JoulesPerImage(), 0.04);
  EXPECT_EQ(row.energy[0].ActiveJoulesPerImage(), std::nullopt);
  EXPECT_EQ(row.batch_sizes->mean, 2);
  EXPECT_THAT(notes, IsEmpty());
  EXPECT_EQ(UnstableNote({row}, 10), "");
}

TEST(MakeRowTest, UnstableFiguresAreThoseOfAllRoundsAndSaySo) {
  std::vector<std::string> notes;
  const Row row = Make({MakeRound(50, 1), MakeRound(100, 1), MakeRound(50, 1), MakeRound(100, 1)}, &notes);
  EXPECT_EQ(row.rounds_used, 4);
  EXPECT_EQ(row.answers, 300);
  EXPECT_THAT(UnstableNote({row}, 10), ::testing::EndsWith(": fpga, concurrency 4"));
}

TEST(MakeRowTest, ASensorThatVanishesInOneRoundLeavesNoEnergy) {
  std::vector<std::string> notes;
  std::vector<Round> rounds = {MakeRound(100, 4), MakeRound(100, 4), MakeRound(100, 4)};
  rounds[1].server->energy[kFpga].dropped = "the sensor d/VCCINT vanished";
  EXPECT_THAT(Make(rounds, &notes).energy, IsEmpty());
  EXPECT_THAT(notes, ElementsAre("fpga, concurrency 4: no energy by hwmon: the sensor d/VCCINT vanished"));
  notes.clear();
  rounds[1].server->energy.clear();
  EXPECT_THAT(Make(rounds, &notes).energy, IsEmpty());
  EXPECT_THAT(notes, ElementsAre(HasSubstr("not there all the time")));
  notes.clear();
  const std::vector<Round> still = {MakeRound(100, 0), MakeRound(100, 0), MakeRound(100, 0)};
  EXPECT_THAT(Make(still, &notes).energy, IsEmpty());
  EXPECT_THAT(notes, ElementsAre(HasSubstr("did not move")));
}

TEST(MakeRowTest, MetricsThatVanishLeaveNoFiguresOfTheServer) {
  std::vector<std::string> notes;
  std::vector<Round> rounds = {MakeRound(100, 4), MakeRound(100, 4), MakeRound(100, 4)};
  rounds[2].server.reset();
  rounds[2].no_server = "http://h:8002/metrics: Connection refused";
  const Row row = Make(rounds, &notes);
  EXPECT_THAT(row.energy, IsEmpty());
  EXPECT_THAT(row.phases, IsEmpty());
  EXPECT_FALSE(row.batch_sizes.has_value());
  EXPECT_EQ(row.answers, 300);
  EXPECT_THAT(notes, ElementsAre(HasSubstr("Connection refused")));
}

TEST(MakeRowTest, ARateThatWasNotReachedIsToldSo) {
  std::vector<std::string> notes;
  Round round = MakeRound(100, 4);
  round.load.due = 1000;
  round.load.sent = 100;
  round.load.beyond_bound = 890;
  round.load.left = 100;
  const Row row = Make({round}, &notes, {.rate_per_s = 500});
  EXPECT_EQ(row.RateReached(), false);
  EXPECT_EQ(row.OfferedPerSecond(), 50);
  EXPECT_THAT(notes, ElementsAre(AllOf(HasSubstr("the rate was not reached: 50.0 requests a second"),
                                       HasSubstr("--max-under-way"))));
  Results results;
  results.rows = {row};
  round.load.beyond_bound = 0;
  EXPECT_THAT(Make({round}, &notes, {.rate_per_s = 500}).RateText(), HasSubstr("this machine cannot send faster"));
  EXPECT_THAT(std::string(Verdict(results).message()), HasSubstr("rate 500/s: the rate was not reached"));
}

TEST(MakeRowTest, WhatLeftLateIsTold) {
  std::vector<std::string> notes;
  Round round = MakeRound(100, 4);
  round.load.due = round.load.sent = 100;
  round.load.late = 20;
  EXPECT_THAT(LateNote({Make({round}, &notes, {.rate_per_s = 50})}), ::testing::EndsWith(": fpga, rate 50/s (20 %)"));
  EXPECT_THAT(notes, IsEmpty());
  round.load.late = 2;
  EXPECT_EQ(LateNote({Make({round}, &notes, {.rate_per_s = 50})}), "");
}

TEST(MakeRowTest, WhatWasNotSentIsToldHoweverLittle) {
  std::vector<std::string> notes;
  Round round = MakeRound(999, 4);
  round.load.due = 1000;
  round.load.sent = 999;
  const Row row = Make({round}, &notes, {.rate_per_s = 500});
  EXPECT_EQ(row.RateReached(), true);
  EXPECT_THAT(UnsentNote({row, row}), AllOf(HasSubstr("percentiles and other latencies are of the others alone"),
                                            ::testing::EndsWith(": fpga, rate 500/s (1 of 1000); "
                                                                "fpga, rate 500/s (1 of 1000)")));
  round.load.sent = 1000;
  EXPECT_EQ(UnsentNote({Make({round}, &notes, {.rate_per_s = 500}), Make({MakeRound(100, 4)}, &notes)}), "");
}

TEST(CacheNoteTest, SaysWhatWasMeasured) {
  EXPECT_EQ(CacheNote({}), "");
  EXPECT_EQ(CacheNote({.enabled = true, .hits = 0}), "");  // as where requests name a backend
  EXPECT_THAT(CacheNote({.enabled = true, .hits = 12}), HasSubstr("answered 12 requests out of its response cache"));
  EXPECT_THAT(CacheNote({.enabled = true, .hits = {}}), HasSubstr("does not tell how many"));
}

TEST(MakeRowTest, OfNothingThereIsNoRate) {
  Round round;
  round.load.gave_up = true;
  round.load.errors["UNAVAILABLE"] = 120;
  round.load.first_error = "gone";
  std::vector<std::string> notes;
  const Row row = Make({round}, &notes);
  EXPECT_FALSE(row.ImagesPerSecond().has_value());
  EXPECT_EQ(row.ErrorCount(), 120);
  EXPECT_THAT(notes, ElementsAre(HasSubstr("ended early"), HasSubstr("120 times UNAVAILABLE")));
}

// The server worked on in it: none of that is the row's.
TEST(MakeRowTest, ARoundThatEndedEarlyHasNoPartInAnyFigure) {
  Round ended = MakeRound(20, 2000);
  ended.load.seconds = 0;
  ended.load.gave_up = true;
  ended.load.end_cause = "device hung";
  ended.load.errors["UNAVAILABLE"] = 100;
  ended.server->work["fpga"].counters.batch_sizes.count = 1;
  ended.server->work["fpga"].counters.phases_s["queue"] = {.sum = 500, .count = 20};
  std::vector<Round> rounds(3, MakeRound(100, 4));
  for (Round& round : rounds) round.server->work["fpga"].counters.phases_s["queue"] = {.sum = 1, .count = 100};
  rounds.push_back(ended);
  std::vector<std::string> notes;
  const Row row = Make(rounds, &notes);
  EXPECT_EQ(row.RoundsText(), "3 of 4, stable");
  ASSERT_EQ(row.rounds.size(), 4u);
  EXPECT_TRUE(row.rounds[2].has_value());
  EXPECT_FALSE(row.rounds[3].has_value());
  EXPECT_EQ(row.ImagesPerSecond(), 50);
  ASSERT_EQ(row.energy.size(), 1u);
  EXPECT_EQ(row.energy[0].JoulesPerImage(), 0.04);
  EXPECT_EQ(row.batch_sizes->mean, 2);
  EXPECT_DOUBLE_EQ(row.phases.at(0).mean_ms, 10);
  EXPECT_THAT(notes, ElementsAre("fpga, concurrency 4: round 4 ended early and does not count: nothing but errors "
                                 "came in the end, such as: device hung",
                                 HasSubstr("100 times UNAVAILABLE")));
  // One that has no figures of the server takes none away from those that have.
  rounds[3].server.reset();
  EXPECT_THAT(Make(rounds, &notes).energy, ::testing::SizeIs(1));
}

// 16, 24 and 20 requests were due, and all of them were answered.
TEST(MakeRowTest, TheChanceOfAnOpenLoopIsNotTheServersInstability) {
  std::vector<Round> rounds;
  for (const int64_t due : {16, 24, 20}) {
    rounds.push_back(MakeRound(due, 4));
    rounds.back().load.due = rounds.back().load.sent = due;
  }
  std::vector<std::string> notes;
  EXPECT_EQ(Make(rounds, &notes, {.rate_per_s = 10}).stability, Stability::kStable);
  EXPECT_EQ(Make(rounds, &notes).stability, Stability::kUnstable);  // as a closed loop's throughput
}

TEST(MakeRowTest, WhereNothingWasDueNothingWasMeasured) {
  Round round;
  round.load.seconds = 1;
  std::vector<std::string> notes;
  Results results;
  results.rows = {Make({round}, &notes, {.rate_per_s = 0.001})};
  const Row& row = results.rows[0];
  EXPECT_EQ(row.RateReached(), std::nullopt);
  EXPECT_EQ(row.ImagesPerSecond(), std::nullopt);
  EXPECT_EQ(row.OfferedPerSecond(), std::nullopt);
  EXPECT_FALSE(row.rounds[0].has_value());
  const std::string told = "fpga, rate 0.001/s: nothing was measured: no request was due within the measured time";
  EXPECT_THAT(notes, ElementsAre(told));
  EXPECT_EQ(Verdict(results), absl::UnavailableError(told));
}

TEST(PowerLineTest, ASensorThatVanishesLeavesAGapAndANote) {
  std::vector<ServerSnapshot> history(3);
  for (size_t i = 0; i < 3; ++i) history[i].time_s = static_cast<double>(i);
  history[0].rails[{"cpu", "rapl", "0", "package"}].power_w = 20;
  history[2].rails[{"cpu", "rapl", "0", "package"}].power_w = 30;
  std::vector<std::string> notes;
  const auto lines = MakePowerLines(history, &notes);
  ASSERT_EQ(lines.size(), 1u);
  ASSERT_EQ(lines[0].watts.size(), 3u);
  EXPECT_EQ(lines[0].watts[0].second, 20);
  EXPECT_EQ(lines[0].watts[1].second, std::nullopt);
  EXPECT_EQ(lines[0].watts[2].second, 30);
  EXPECT_THAT(notes, ElementsAre("power of cpu by rapl: a sensor vanished after 1.0 s"));
}

TEST(PowerLineTest, ALookThatFailedIsAGapAndNoSensorThatVanished) {
  std::vector<ServerSnapshot> history(4);
  for (const size_t i : {0, 3}) history[i].rails[{"cpu", "rapl", "0", "package"}].power_w = 20;
  history[1].missed = history[2].missed = "http://h:8002/metrics: Connection refused";
  std::vector<std::string> notes;
  const auto lines = MakePowerLines(history, &notes);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].watts[1].second, std::nullopt);
  EXPECT_THAT(notes, IsEmpty());
  EXPECT_EQ(MissedLooksNote(history),
            "2 of 4 looks at the server's metrics failed: there is no power of these times. The first one: "
            "http://h:8002/metrics: Connection refused");
  EXPECT_EQ(MissedLooksNote(std::span(history).first(1)), "");
}

TEST(OptionsTest, LevelsAndBackends) {
  const auto concurrencies = [](const std::string& text) {
    std::vector<int> all;
    const auto levels = ParseConcurrency(text);
    if (levels.ok()) {
      for (const Level& level : *levels) all.push_back(level.concurrency);
    }
    return all;
  };
  EXPECT_THAT(concurrencies("4"), ElementsAre(4));
  EXPECT_THAT(concurrencies("1:6"), ElementsAre(1, 2, 4, 6));
  EXPECT_THAT(concurrencies("3,1"), ElementsAre(3, 1));
  for (const char* bad : {"", "0", "2:1", "1:2:3", "1,", "x", "2000"})
    EXPECT_THAT(concurrencies(bad), IsEmpty()) << bad;
  EXPECT_EQ(ParseRates("100,2.5")->at(1).rate_per_s, 2.5);
  for (const char* bad : {"", "0", "-1", "1e9", "1e-300", "nan", "inf", "1,,2"})
    EXPECT_FALSE(ParseRates(bad).ok()) << bad;
  EXPECT_THAT(*ParseBackends(""), ElementsAre(""));
  EXPECT_THAT(*ParseBackends("cpu,fpga"), ElementsAre("cpu", "fpga"));
  for (const char* bad : {"cpu,", ",", "cpu,cpu"}) EXPECT_FALSE(ParseBackends(bad).ok()) << bad;
}

TEST(OptionsTest, MetricsAreSoughtAtTheServersHost) {
  for (const char* url : {"board", "board:8001", "dns:board:8001", "dns:///board:8001", "dns:///board",
                          "dns://192.0.2.1/board:8001", "dns://192.0.2.1:53/board:8001"}) {
    EXPECT_EQ(DefaultMetricsUrl(url), "http://board:8002/metrics") << url;
  }
  for (const char* url : {"[::1]", "[::1]:8001", "::1", "ipv6:[::1]:8001", "ipv6:::1", "dns:///[::1]:8001"}) {
    EXPECT_EQ(DefaultMetricsUrl(url), "http://[::1]:8002/metrics") << url;
  }
  EXPECT_EQ(DefaultMetricsUrl("ipv4:192.0.2.7:8001"), "http://192.0.2.7:8002/metrics");
  for (const char* url : {"unix:/run/msqd", "unix:///run/msqd", "unix:msqd", "unix-abstract:msqd", "vsock:2:8001",
                          "ipv4:192.0.2.7:8001,192.0.2.8:8001", "xds:///board:8001", "dns:", "dns://", "dns:///", ""}) {
    EXPECT_EQ(DefaultMetricsUrl(url), "") << url;
  }
}

}  // namespace
}  // namespace msq::bench

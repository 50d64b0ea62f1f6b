// The forms of results: what they show, what they do not show when it was not measured, and that no name is markup.
#include "clients/bench/reports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "clients/bench/plot_axis.h"
#include "clients/bench/report_numbers.h"

namespace msq::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Row MakeRow(const std::string& backend, int concurrency, int answers) {
  Row row{.backend = backend, .level = {.concurrency = concurrency}};
  row.rounds = {RoundFigures{.answers_per_s = answers / 2.0, .p50_ms = 1.5}};
  row.rounds_used = 1;
  row.seconds = 2;
  row.answers = answers;
  for (int i = 0; i < answers; ++i) row.latencies.Add(1 + i * 0.01);
  return row;
}

Results MakeResults() {
  Results results;
  results.model = "net";
  results.backends = {"cpu", "fpga"};
  results.compared = 1234;
  results.rows = {MakeRow("cpu", 1, 50), MakeRow("fpga", 1, 2000)};
  results.rows[1].phases = {{"queue", 0.5}, {"compute", 1.5}};
  results.rows[1].batch_sizes = BatchSizes{.mean = 3.5, .buckets = {{4, 10}}};
  results.rows[1].energy = {{.key = {"fpga", "model"}, .joules = 4, .images = 2000, .active_joules = {}}};
  results.notes = {"no energy of backend cpu: the server has no sensor for it"};
  return results;
}

TEST(JsonTest, WhatWasNotMeasuredIsNull) {
  const nlohmann::json document = ToJson(MakeResults());
  EXPECT_EQ(document["answers_compared"], 1234);
  const nlohmann::json& cpu = document["rows"][0];
  EXPECT_EQ(cpu["backend"], "cpu");
  EXPECT_EQ(cpu["concurrency"], 1);
  EXPECT_EQ(cpu["images_per_s"], 25);
  EXPECT_TRUE(cpu["p50_ms"].is_number());
  EXPECT_TRUE(cpu["p99_ms"].is_null());  // of 50 answers
  EXPECT_TRUE(cpu["batch_sizes"].is_null());
  EXPECT_TRUE(cpu["energy"].empty());
  EXPECT_TRUE(cpu["phases_ms"].empty());
  const nlohmann::json& fpga = document["rows"][1];
  EXPECT_TRUE(fpga["p999_ms"].is_number());
  EXPECT_EQ(fpga["energy"][0]["joules_per_image"], 0.002);
  EXPECT_EQ(fpga["energy"][0]["estimate"], true);
  EXPECT_EQ(fpga["phases_ms"]["compute"], 1.5);
}

TEST(CsvTest, EveryLineHasEveryColumn) {
  Results results = MakeResults();
  results.model = "a,\"b\"";
  const std::vector<std::string> lines = absl::StrSplit(ToCsv(results), '\n');
  ASSERT_EQ(lines.size(), 4u);  // the last one is empty
  const auto commas = [](const std::string& line) { return std::count(line.begin(), line.end(), ','); };
  EXPECT_THAT(lines[0], HasSubstr("joules_per_image_fpga_model"));
  EXPECT_EQ(commas(lines[1]), commas(lines[0]) + 1);  // one is within the model's name
  EXPECT_THAT(lines[1], AllOf(::testing::StartsWith("\"a,\"\"b\"\"\","), ::testing::EndsWith(",,,,,")));
  EXPECT_THAT(lines[2], HasSubstr(",0.002,"));
}

TEST(HtmlTest, ShowsTheFiguresAndSaysWhatIsMissing) {
  const std::string page = ToHtml(MakeResults());
  EXPECT_THAT(page, HasSubstr("1,234 answers compared, 0 differ"));
  EXPECT_THAT(page, HasSubstr("no energy of backend cpu"));
  EXPECT_THAT(page, HasSubstr("Energy an image</dt><dd>not measured"));
  EXPECT_THAT(page, HasSubstr("estimated by a model"));
  EXPECT_THAT(page, HasSubstr("Not measured: the server told no power."));
  EXPECT_THAT(page, Not(HasSubstr("nan")));
  EXPECT_THAT(page, Not(HasSubstr("inf\"")));
}

TEST(HtmlTest, APowerThatWasNeverReadIsADash) {
  Results results = MakeResults();
  results.power = {{.key = {"fpga", "hwmon"}, .watts = {{0, std::nullopt}, {1, std::nullopt}}}};
  const std::string page = ToHtml(results), samples = "<td>0</td><td>2</td>";
  const size_t at = page.find(samples);
  ASSERT_NE(at, std::string::npos);
  EXPECT_THAT(page.substr(at + samples.size()), ::testing::StartsWith("<td>–</td><td>–</td><td>–</td>"));
}

TEST(HtmlTest, APowerLineIsInterruptedAndSinglePointsAreSeen) {
  Results results = MakeResults();
  results.power = {{.key = {"fpga", "hwmon"}, .watts = {{0, 1.0}, {1, 2.0}, {2, std::nullopt}, {3, 2.0}}}};
  const std::string page = ToHtml(results);
  EXPECT_THAT(page, ::testing::ContainsRegex("<path d=\"M[0-9. ]+h0L[0-9. ]+M[0-9. ]+h0\" class=\"line c1\"/>"));
  EXPECT_THAT(page, HasSubstr("<td>3</td><td>1</td><td>1.00</td>"));
}

TEST(ReportsTest, ARoundThatMeasuredNothingIsNoZero) {
  Results results = MakeResults();
  results.rows[0].rounds.push_back(std::nullopt);
  const nlohmann::json rounds = ToJson(results)["rows"][0]["rounds"];
  ASSERT_EQ(rounds.size(), 2u);
  EXPECT_EQ(rounds[0]["images_per_s"], 25);
  EXPECT_TRUE(rounds[1]["images_per_s"].is_null());
  EXPECT_TRUE(rounds[1]["p50_ms"].is_null());
  EXPECT_THAT(ToHtml(results), HasSubstr("<td>25.0</td><td>–</td>"));
  EXPECT_THAT(TextRow(results.rows[0]), ::testing::EndsWith(" 1 of 2, not judged\n"));
}

TEST(HtmlTest, IsOneFileThatFetchesNothing) {
  const std::string page = ToHtml(MakeResults());
  for (const char* reference : {"http:", "https:", "src=", "href=", "@import", "<script"}) {
    EXPECT_THAT(page, Not(HasSubstr(reference))) << reference;
  }
}

TEST(HtmlTest, NamesAreNoMarkup) {
  Results results = MakeResults();
  const std::string evil = "<script>alert('x')</script>\"&";
  results.model = results.first_difference = results.command_line = evil;
  results.backends[1] = results.rows[1].backend = evil;
  results.rows[1].energy[0].key = {evil, evil};
  results.rows[1].phases[0].name = evil;
  results.notes = {evil};
  results.facts = {{evil, evil}};
  results.power = {{.key = {evil, evil}, .watts = {{0, 1.0}, {1, std::nullopt}}}};
  results.spans = {{evil, {.concurrency = 1}, 0, 1}};
  const std::string page = ToHtml(results);
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
}

TEST(HtmlTest, ResultsWithoutAnyAnswerMakeAPage) {
  Results results;
  results.backends = {"cpu"};
  EXPECT_THAT(ToHtml(results), AllOf(HasSubstr("✕ No answer was compared"), Not(HasSubstr("0 differ"))));
  EXPECT_EQ(TextVerdict(results), "no answer was compared\n");
  EXPECT_TRUE(ToJson(results)["answers_wrong"].is_null());
  results.rows = {Row{.backend = "cpu", .level = {.concurrency = 1}}};
  EXPECT_THAT(ToHtml(results), HasSubstr("no level was measured as it was to be"));
}

TEST(HtmlTest, ARateThatWasNotReachedIsNoHeadline) {
  Results results = MakeResults();
  results.rows[0].level = results.rows[1].level = {.rate_per_s = 7000};
  results.rows[0].due = 1000;
  results.rows[0].sent = 500;
  results.rows[1].due = results.rows[1].sent = 1000;
  const std::string page = ToHtml(results);
  EXPECT_THAT(page, HasSubstr("(not reached)"));
  EXPECT_THAT(page, HasSubstr("no level was measured as it was to be"));  // cpu
  EXPECT_THAT(page, HasSubstr("1,000 <small>images/s"));                  // fpga
}

TEST(ReportsTest, AllTellWhatWasNotSentAndWhatPercentilesAreOf) {
  Results results = MakeResults();
  results.rows[1].level = {.rate_per_s = 1000};
  results.rows[1].due = 2003;
  results.rows[1].sent = 2000;
  results.rows[1].beyond_bound = 2;
  results.rows[1].late = 17;
  for (int i = 0; i < 2000; ++i) results.rows[1].lags.Add(0.5);
  const nlohmann::json row = ToJson(results)["rows"][1];
  EXPECT_EQ(row["unsent"], 3);
  EXPECT_EQ(row["late"], 17);
  EXPECT_EQ(row["latency_count"], 2000);
  EXPECT_EQ(ToJson(results)["rows"][0]["latency_count"], 50);
  EXPECT_FALSE(ToJson(results)["rows"][0].contains("unsent"));
  const std::vector<std::string> lines = absl::StrSplit(ToCsv(results), '\n');
  EXPECT_THAT(lines[0], HasSubstr(",latency_count,due,sent,unsent,beyond_bound,late,send_lag_p99_ms,errors,"));
  EXPECT_THAT(lines[1], HasSubstr(",50,,,,,,,0,0,"));
  EXPECT_THAT(lines[2],
              HasSubstr(absl::StrFormat(",2000,2003,2000,3,2,17,%.9g,0,0,", row["send_lag_p99_ms"].get<double>())));
  EXPECT_THAT(lines[0], HasSubstr(",offered_per_s,rate_reached,batch,seconds,answers,"));
  EXPECT_THAT(lines[1], HasSubstr(",,,1,2,50,"));
  EXPECT_THAT(lines[2], HasSubstr(",true,1,2,2000,"));
  EXPECT_EQ(std::count(lines[1].begin(), lines[1].end(), ','), std::count(lines[0].begin(), lines[0].end(), ','));
  const std::string head = TextHead(true), line = TextRow(results.rows[1]);
  const size_t end = head.find(" UNSENT") + 7;
  EXPECT_EQ(line.substr(end - 3, 3), "  3");
  EXPECT_EQ(TextHead(false).find("UNSENT"), std::string::npos);
  results.rows.erase(results.rows.begin());
  const std::string page = ToHtml(results);
  EXPECT_THAT(page, HasSubstr(">Sent late</th>"));
  EXPECT_THAT(page, HasSubstr("<td>3 of 2,003</td><td>17</td>"));
  EXPECT_THAT(page, HasSubstr("those that were not sent have no part in it"));
  EXPECT_THAT(page, HasSubstr("<td>2,000</td>"));
}

TEST(TextTest, EstimatesAreMarkedAndMissingFiguresAreDashes) {
  const Results results = MakeResults();
  EXPECT_THAT(TextRow(results.rows[0]), AllOf(HasSubstr("cpu"), HasSubstr(" - "), Not(HasSubstr("~"))));
  EXPECT_THAT(TextRow(results.rows[1]), HasSubstr(" ~0.00200 "));
}

TEST(DigitsTest, ThreeSignificantOnesOrThousands) {
  EXPECT_EQ(Digits(0), "0");
  EXPECT_EQ(Digits(0.0123456), "0.0123");
  EXPECT_EQ(Digits(1.2345), "1.23");
  EXPECT_EQ(Digits(0.9996), "1.00");
  EXPECT_EQ(Digits(10), "10.0");
  EXPECT_EQ(Digits(99.96), "100");
  EXPECT_EQ(Digits(999.4), "999");
  EXPECT_EQ(Digits(999.6), "1,000");
  EXPECT_EQ(Digits(1234567), "1,234,567");
  EXPECT_EQ(Digits(-1234), "-1,234");
  EXPECT_EQ(Digits(std::optional<double>()), "–");
}

TEST(CountTextTest, IsWhole) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(16), "16");
  EXPECT_EQ(CountText(1234567), "1,234,567");
}

TEST(AxisTest, TicksLieOnTheAxis) {
  for (const Scale scale : {Scale::kLinear, Scale::kFitted, Scale::kLogarithm, Scale::kPercentile}) {
    for (const std::vector<double>& values : {std::vector<double>{}, {0.5}, {0.001, 0.999}, {0.2, 0.3}}) {
      const Axis axis(scale, values, 0, 100);
      ASSERT_FALSE(axis.ticks().empty());
      for (const auto& [value, text] : axis.ticks()) {
        EXPECT_GE(axis.Position(value), -1e-6) << text;
        EXPECT_LE(axis.Position(value), 100 + 1e-6) << text;
      }
    }
  }
}

}  // namespace
}  // namespace msq::bench

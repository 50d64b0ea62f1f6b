// Pages as servers write them, and what is none.
#include "clients/bench/prometheus_text.h"

#include <cmath>

#include <gtest/gtest.h>

namespace msq::bench {
namespace {

TEST(PrometheusTextTest, ReadsSeries) {
  const auto series = ParsePrometheusText(
      "# HELP a_total Things, \"quoted\"\n# TYPE a_total counter\n\n"
      "a_total 12\n"
      "b{x=\"1\",y=\"two words, and } more\"} 3.5e-2 1700000000000\n"
      "c_bucket{le=\"+Inf\",} +Inf\r\n"
      "d { k = \"v\" }  NaN\n"
      "e:f_1{path=\"C:\\\\d\",text=\"a \\\"b\\\"\\nc\"} -1");
  ASSERT_TRUE(series.ok()) << series.status();
  ASSERT_EQ(series->size(), 5u);
  EXPECT_EQ((*series)[0].name, "a_total");
  EXPECT_EQ((*series)[0].value, 12);
  EXPECT_EQ((*series)[0].Label("x"), "");
  EXPECT_EQ((*series)[1].Label("y"), "two words, and } more");
  EXPECT_EQ((*series)[1].value, 0.035);
  EXPECT_TRUE(std::isinf((*series)[2].value));
  EXPECT_EQ((*series)[2].Label("le"), "+Inf");
  EXPECT_TRUE(std::isnan((*series)[3].value));
  EXPECT_EQ((*series)[3].Label("k"), "v");
  EXPECT_EQ((*series)[4].Label("path"), "C:\\d");
  EXPECT_EQ((*series)[4].Label("text"), "a \"b\"\nc");
}

TEST(PrometheusTextTest, NamesTheLineThatIsNone) {
  for (const char* line : {"a", "a{x=\"1\" 2", "a{x=1} 2", "a{x=\"1} 2", "a{x=\"1\"y=\"2\"} 2", "a two", "<html>",
                           "a 1 2 3", "{} 1", "a{x=\"\\"}) {
    const auto series = ParsePrometheusText(std::string("ok 1\n") + line);
    ASSERT_FALSE(series.ok()) << line;
    EXPECT_EQ(series.status().message(), "line 2 of the metrics is no series") << line;
  }
}

}  // namespace
}  // namespace msq::bench

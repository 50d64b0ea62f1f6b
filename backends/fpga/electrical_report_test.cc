#include "backends/fpga/electrical_report.h"

#include <gtest/gtest.h>

namespace msq::fpga {
namespace {

TEST(ElectricalReportTest, TellsThePower) {
  EXPECT_EQ(ParsePowerWatts(R"({"power_consumption_max_watts": "75", "power_consumption_watts": "24.5"})"), 24.5);
  EXPECT_EQ(ParsePowerWatts(R"({"power_consumption_watts": 7, "power_rails": []})"), 7);
}

TEST(ElectricalReportTest, NothingWhereNothingIsMeasured) {
  for (const char* report : {"", "{}", "[]", "not json", R"({"power_consumption_watts": "N/A"})",
                             R"({"power_consumption_watts": "0"})", R"({"power_consumption_watts": -1})",
                             R"({"power_consumption_watts": "nan"})", R"({"power_consumption_watts": "inf"})",
                             R"({"power_consumption_watts": null})", R"({"power_consumption_watts": {"a": 1}})"}) {
    EXPECT_EQ(ParsePowerWatts(report), std::nullopt) << report;
  }
}

}  // namespace
}  // namespace msq::fpga

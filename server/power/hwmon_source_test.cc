#include "server/power/hwmon_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "server/testing/fake_sysfs.h"

namespace msq::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

PowerRailRule Rule(const std::string& text) {
  return *ParsePowerRailRule(text);
}

class HwmonSourceTest : public ::testing::Test {
 protected:
  // The readings as "backend device rail watts".
  std::vector<std::string> Sample(HwmonSource* source) {
    std::vector<std::string> lines;
    for (const PowerReading& reading : source->Sample({})) {
      EXPECT_FALSE(reading.joules);
      lines.push_back(absl::StrCat(reading.backend, " ", reading.device, " ", reading.rail, " ", *reading.watts));
    }
    return lines;
  }
  std::vector<std::string> Sample() { return Sample(&source_); }

  // As the kernel's ucd9200 driver shows a UCD9248 with two rails.
  void WriteUcd9248() {
    sysfs_.WriteFolder("class/hwmon/hwmon0", {{"name", "ucd9248"},
                                              {"in1_input", "12000"},
                                              {"in1_label", "vin"},
                                              {"in2_input", "1000"},
                                              {"in2_label", "vout1"},
                                              {"in3_input", "1800"},
                                              {"in3_label", "vout2"},
                                              {"curr1_input", "250"},
                                              {"curr1_label", "iin"},
                                              {"curr2_input", "1500"},
                                              {"curr2_label", "iout1"},
                                              {"curr3_input", "500"},
                                              {"curr3_label", "iout2"},
                                              {"power1_input", "3000000"},
                                              {"power1_label", "pin"},
                                              {"power2_input", "1490000"},
                                              {"power2_label", "pout1"},
                                              {"temp1_input", "40000"}});
    sysfs_.Link("class/hwmon/hwmon0/device", "../../../4-0034");
  }

  testing::FakeSysfs sysfs_;
  HwmonSource source_{&sysfs_, "fpga", {}};
};

TEST_F(HwmonSourceTest, NothingWithoutHwmon) {
  EXPECT_THAT(Sample(), IsEmpty());
  EXPECT_EQ(source_.name(), "hwmon");
}

TEST_F(HwmonSourceTest, Ina226TellsMicrowatts) {
  sysfs_.WriteFolder("class/hwmon/hwmon3", {{"name", "ina226"},
                                            {"in0_input", "2"},
                                            {"in1_input", "850"},
                                            {"curr1_input", "2000"},
                                            {"power1_input", "1725000"}});
  sysfs_.Link("class/hwmon/hwmon3/device", "/devices/i2c-2/2-0040");
  EXPECT_THAT(Sample(), ElementsAre("fpga ina226@2-0040 power1 1.725"));
}

TEST_F(HwmonSourceTest, Ucd9248RailsOfPowerAndOfVoltageTimesCurrentButNotOfInputs) {
  WriteUcd9248();
  EXPECT_THAT(Sample(), ElementsAre("fpga ucd9248@4-0034 vout1 1.49", "fpga ucd9248@4-0034 vout2 0.9"));
}

TEST_F(HwmonSourceTest, ARailWithoutCurrentHasNoPower) {
  sysfs_.WriteFolder("class/hwmon/hwmon0", {{"name", "ucd90120"},
                                            {"in1_input", "1000"},
                                            {"in1_label", "vout1"},
                                            {"in2_input", "3300"},
                                            {"in2_label", "vout2"},
                                            {"curr1_input", "100"},
                                            {"curr1_label", "iout2"}});
  EXPECT_THAT(Sample(), ElementsAre("fpga ucd90120 vout2 0.33"));
}

TEST_F(HwmonSourceTest, ChannelsOfVoltageAndCurrentByNumberOrLabel) {
  sysfs_.WriteFolder("class/hwmon/hwmon0", {{"name", "ina3221"},
                                            {"in1_input", "5000"},
                                            {"in1_label", "VDD_IN"},
                                            {"curr1_input", "1000"},
                                            {"in2_input", "2000"},
                                            {"curr2_input", "-3"}});  // an offset
  EXPECT_THAT(Sample(), ElementsAre("fpga ina3221 VDD_IN 5", "fpga ina3221 channel2 0"));
}

TEST_F(HwmonSourceTest, OtherChipsAreNotOursUnlessARuleSaysSo) {
  sysfs_.WriteFolder("class/hwmon/hwmon0", {{"name", "amdgpu"}, {"power1_input", "30000000"}});
  EXPECT_THAT(Sample(), IsEmpty());
  HwmonSource named(&sysfs_, "fpga", {Rule("amdgpu/power1=cpu/GPU")});
  EXPECT_THAT(Sample(&named), ElementsAre("cpu amdgpu GPU 30"));
}

TEST_F(HwmonSourceTest, RulesSayWhoseARailIs) {
  WriteUcd9248();
  HwmonSource source(&sysfs_, "fpga", {Rule("ucd9248@4-0034/vout1=fpga/VCCINT"), Rule("ucd9248/vout2=none")});
  EXPECT_THAT(Sample(&source), ElementsAre("fpga ucd9248@4-0034 VCCINT 1.49"));
  HwmonSource split(&sysfs_, "fpga", {Rule("*/vout2=cpu")});
  EXPECT_THAT(Sample(&split), ElementsAre("cpu ucd9248@4-0034 vout2 0.9", "fpga ucd9248@4-0034 vout1 1.49"));
  HwmonSource sum(&sysfs_, "fpga", {Rule("ucd9248/*=fpga/board")});
  EXPECT_THAT(Sample(&sum), ElementsAre("fpga ucd9248@4-0034 board 2.39"));
}

// A part of a sum would look like the sum.
TEST_F(HwmonSourceTest, RailsOfOneNameAreMissingWhileOneOfThemIs) {
  WriteUcd9248();
  HwmonSource sum(&sysfs_, "fpga", {Rule("ucd9248/*=fpga/board")});
  const std::string file = "class/hwmon/hwmon0/power2_input", whole = "fpga ucd9248@4-0034 board 2.39";
  sysfs_.Fail(file, Unavailable("Input/output error"));
  EXPECT_THAT(Sample(&sum), IsEmpty());  // also where it never was whole
  sysfs_.Fail(file, absl::OkStatus());
  EXPECT_THAT(Sample(&sum), ElementsAre(whole));
  sysfs_.Fail(file, Unavailable("Input/output error"));
  EXPECT_THAT(Sample(&sum), IsEmpty());
  sysfs_.Fail(file, absl::OkStatus());
  EXPECT_THAT(Sample(&sum), ElementsAre(whole));
  sysfs_.Remove("class/hwmon/hwmon0/curr3_input");  // there is no sensor any more that could fail
  EXPECT_THAT(Sample(&sum), IsEmpty());
  sysfs_.Remove("class/hwmon/hwmon0");
  EXPECT_THAT(Sample(&sum), IsEmpty());
  WriteUcd9248();
  EXPECT_THAT(Sample(&sum), ElementsAre(whole));
}

TEST_F(HwmonSourceTest, ChipsOfOneNameAreMissingWhileOneOfThemIs) {
  for (const char* folder : {"class/hwmon/hwmon0", "class/hwmon/hwmon1"}) {
    sysfs_.WriteFolder(folder, {{"name", "ina226"}, {"power1_input", "1500000"}});
  }
  EXPECT_THAT(Sample(), ElementsAre("fpga ina226 power1 3"));
  sysfs_.Remove("class/hwmon/hwmon1");
  EXPECT_THAT(Sample(), IsEmpty());
  sysfs_.WriteFolder("class/hwmon/hwmon7", {{"name", "ina226"}, {"power1_input", "1500000"}});
  EXPECT_THAT(Sample(), ElementsAre("fpga ina226 power1 3"));
}

TEST_F(HwmonSourceTest, ASensorWhoseLabelCannotBeReadIsNoOtherRail) {
  WriteUcd9248();
  HwmonSource sum(&sysfs_, "fpga", {Rule("ucd9248/*=fpga/board")});
  EXPECT_THAT(Sample(&sum), ElementsAre("fpga ucd9248@4-0034 board 2.39"));
  for (const char* label : {"power2_label", "in3_label", "curr3_label"}) {
    const std::string file = absl::StrCat("class/hwmon/hwmon0/", label);
    sysfs_.Fail(file, Unavailable("Input/output error"));
    const std::vector<std::string> lines = Sample(&sum);
    if (std::string(label) == "power2_label") {  // of that rail voltage and current are there, too
      EXPECT_THAT(lines, ElementsAre("fpga ucd9248@4-0034 board 2.4"));
    } else {
      EXPECT_THAT(lines, IsEmpty()) << label;
    }
    sysfs_.Fail(file, absl::OkStatus());
    EXPECT_THAT(Sample(&sum), ElementsAre("fpga ucd9248@4-0034 board 2.39")) << label;
  }
}

TEST_F(HwmonSourceTest, ChipsComeAndGo) {
  WriteUcd9248();
  EXPECT_EQ(Sample().size(), 2u);
  sysfs_.Remove("class/hwmon/hwmon0/power2_input");
  sysfs_.Remove("class/hwmon/hwmon0/curr2_input");
  EXPECT_THAT(Sample(), ElementsAre("fpga ucd9248@4-0034 vout2 0.9"));
  sysfs_.Remove("class/hwmon/hwmon0");
  EXPECT_THAT(Sample(), IsEmpty());
  WriteUcd9248();
  EXPECT_EQ(Sample().size(), 2u);
}

TEST_F(HwmonSourceTest, ASensorThatDoesNotAnswerIsMissingAndToldOnce) {
  WriteUcd9248();
  sysfs_.Fail("class/hwmon/hwmon0/power2_input", Unavailable("power2_input: Input/output error"));
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Sample(), ElementsAre("fpga ucd9248@4-0034 vout2 0.9"));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("Input/output error"));
  EXPECT_EQ(log.find("Input/output"), log.rfind("Input/output"));
}

TEST_F(HwmonSourceTest, WhatNothingDrawsIsNoReadingAndToldOnce) {
  WriteUcd9248();
  HwmonSource sum(&sysfs_, "fpga", {Rule("ucd9248/*=fpga/board")});
  const std::string folder = "class/hwmon/hwmon0/";
  for (const char* microwatts : {"9223372036854775807", "10000000001", "-9223372036854775807"}) {
    sysfs_.Write(folder + "power2_input", microwatts);
    ::testing::internal::CaptureStderr();
    for (int i = 0; i < 3; ++i) EXPECT_THAT(Sample(), ElementsAre("fpga ucd9248@4-0034 vout2 0.9")) << microwatts;
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, HasSubstr("/class/hwmon/hwmon0/power2_input: "));
    EXPECT_EQ(log.find(" W is more than any rail draws"), log.rfind(" W is more than any rail draws"));
    EXPECT_THAT(Sample(&sum), IsEmpty());
    sysfs_.Write(folder + "power2_input", "10000000000");
    EXPECT_THAT(Sample(), ElementsAre("fpga ucd9248@4-0034 vout1 10000", "fpga ucd9248@4-0034 vout2 0.9"));
  }
  sysfs_.Write(folder + "in3_input", "30000000");
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(Sample(), ElementsAre("fpga ucd9248@4-0034 vout1 10000"));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("/class/hwmon/hwmon0/in3_input times curr3_input: 15000 W is more"));
}

TEST(PowerRailRuleTest, ReadsAndRefuses) {
  const auto rule = ParsePowerRailRule("ina226@2-0040/power1=fpga/VCC/INT");
  ASSERT_TRUE(rule.ok()) << rule.status();
  EXPECT_EQ(rule->chip, "ina226@2-0040");
  EXPECT_EQ(rule->rail, "power1");
  EXPECT_EQ(rule->backend, "fpga");
  EXPECT_EQ(rule->name, "VCC/INT");
  for (const char* text : {"", "a", "a/b", "a=b", "/b=c", "a/=c", "a/b=", "a/b=/c"}) {
    const auto refused = ParsePowerRailRule(text);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(Message(refused.status())), HasSubstr(absl::StrCat("power rail '", text, "': ")));
  }
}

}  // namespace
}  // namespace msq::server

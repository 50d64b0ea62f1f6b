#include "server/power/rapl_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "server/testing/fake_sysfs.h"

namespace msq::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPackage[] = "class/powercap/intel-rapl:0";
constexpr char kDram[] = "class/powercap/intel-rapl:0:1";

class RaplSourceTest : public ::testing::Test {
 protected:
  void WriteZone(const std::string& folder, const std::string& name, const std::string& energy) {
    sysfs_.WriteFolder(folder, {{"name", name}, {"energy_uj", energy}, {"max_energy_range_uj", "1000000000"}});
  }
  void SetEnergy(const std::string& folder, int64_t microjoules) {
    sysfs_.Write(folder + "/energy_uj", std::to_string(microjoules));
  }
  // The readings one second later, as "device rail joules".
  std::vector<std::string> Sample() {
    now_ += std::chrono::seconds(1);
    std::vector<std::string> lines;
    for (const PowerReading& reading : source_.Sample(now_)) {
      EXPECT_EQ(reading.backend, "cpu");
      EXPECT_FALSE(reading.watts);
      lines.push_back(absl::StrCat(reading.device, " ", reading.rail, " ", reading.joules.value_or(-1)));
    }
    return lines;
  }

  testing::FakeSysfs sysfs_;
  RaplSource source_{&sysfs_, "cpu"};
  PowerSource::Time now_{};
};

TEST_F(RaplSourceTest, NothingWithoutPowercap) {
  EXPECT_THAT(Sample(), IsEmpty());
  EXPECT_EQ(source_.name(), "rapl");
}

TEST_F(RaplSourceTest, PackagesAndTheirMemoryAndNothingTwice) {
  WriteZone(kPackage, "package-0", "5000000");
  WriteZone("class/powercap/intel-rapl:0:0", "core", "1");  // in the package
  WriteZone(kDram, "dram", "100");
  WriteZone("class/powercap/intel-rapl:1", "package-1", "7");
  WriteZone("class/powercap/intel-rapl:2", "psys", "7");            // overlaps
  WriteZone("class/powercap/intel-rapl-mmio:0", "package-0", "5");  // the same by another way
  EXPECT_THAT(Sample(), ElementsAre("package-0 package 0", "package-0 dram 0", "package-1 package 0"));
  SetEnergy(kPackage, 30'000'000);
  SetEnergy(kDram, 2'000'100);
  EXPECT_THAT(Sample(), ElementsAre("package-0 package 25", "package-0 dram 2", "package-1 package 0"));
}

TEST_F(RaplSourceTest, WrapsAroundAtTheRange) {
  WriteZone(kPackage, "package-0", "999000000");
  EXPECT_THAT(Sample(), ElementsAre("package-0 package 0"));
  SetEnergy(kPackage, 4'000'000);  // 1 J to the range, and 4 J
  EXPECT_THAT(Sample(), ElementsAre("package-0 package 5"));
  SetEnergy(kPackage, 6'000'000);
  EXPECT_THAT(Sample(), ElementsAre("package-0 package 7"));
}

TEST_F(RaplSourceTest, ACounterThatWasSetBackIsNoWrap) {
  sysfs_.WriteFolder(kPackage,
                     {{"name", "package-0"}, {"energy_uj", "500000000"}, {"max_energy_range_uj", "262143328850"}});
  Sample();
  SetEnergy(kPackage, 1'000'000);  // else it took 261 kJ in a second
  EXPECT_THAT(Sample(), IsEmpty());
  SetEnergy(kPackage, 3'000'000);
  EXPECT_THAT(Sample(), ElementsAre("package-0 package 2"));
}

TEST_F(RaplSourceTest, AWrapOfUnknownRangeIsNotGuessed) {
  sysfs_.WriteFolder(kPackage, {{"name", "package-0"}, {"energy_uj", "500"}});
  Sample();
  SetEnergy(kPackage, 100);
  EXPECT_THAT(Sample(), IsEmpty());
}

TEST_F(RaplSourceTest, VanishesAndComesBackWithoutWhatHappenedMeanwhile) {
  WriteZone(kPackage, "package-0", "0");
  Sample();
  SetEnergy(kPackage, 3'000'000);
  EXPECT_THAT(Sample(), ElementsAre("package-0 package 3"));
  sysfs_.Remove(kPackage);
  EXPECT_THAT(Sample(), IsEmpty());
  WriteZone(kPackage, "package-0", "900000000");
  EXPECT_THAT(Sample(), ElementsAre("package-0 package 3"));
  SetEnergy(kPackage, 901'000'000);
  EXPECT_THAT(Sample(), ElementsAre("package-0 package 4"));
}

TEST_F(RaplSourceTest, MissingPermissionIsToldOnceWithFileAndRemedy) {
  WriteZone(kPackage, "package-0", "0");
  const std::string path = std::string(kPackage) + "/energy_uj";
  sysfs_.Fail(path, absl::PermissionDeniedError(sysfs_.FullPath(path) + ": Permission denied"));
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Sample(), IsEmpty());
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr(sysfs_.FullPath(path) + ": Permission denied"));
  EXPECT_THAT(log, HasSubstr("\"Permissions\" in docs/power.md"));
  EXPECT_EQ(log.find("Permission denied"), log.rfind("Permission denied"));
  sysfs_.Fail(path, absl::OkStatus());
  EXPECT_THAT(Sample(), ElementsAre("package-0 package 0"));
  sysfs_.Fail(path, absl::PermissionDeniedError("again"));
  ::testing::internal::CaptureStderr();
  Sample();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("again"));  // that is another time
}

TEST_F(RaplSourceTest, AFileThatIsNoFileOrHoldsNoNumberIsNoReading) {
  WriteZone(kPackage, "package-0", "many");
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(Sample(), IsEmpty());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("energy_uj: holds no integer"));
  sysfs_.Remove(std::string(kPackage) + "/energy_uj");
  sysfs_.Write(std::string(kPackage) + "/energy_uj/file", "a folder in its place");
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(Sample(), IsEmpty());
  ::testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace msq::server

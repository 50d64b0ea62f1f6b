#include "server/power/sysfs_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/check.h"
#include "base/status.h"
#include "server/testing/fake_sysfs.h"

namespace msq::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Somebody who may not do everything, while it lasts: root is asked for no permission.
class Nobody {
 public:
  Nobody() {
    if (root_) MSQ_CHECK(seteuid(65534) == 0);
  }
  ~Nobody() {
    if (root_) MSQ_CHECK(seteuid(0) == 0);
  }

 private:
  const bool root_ = geteuid() == 0;
};

TEST(SysfsFilesTest, ReadsTextAndIntegers) {
  testing::FakeSysfs sysfs;
  sysfs.Write("a/name", "ina226  ");
  sysfs.Write("a/value", "-12");
  EXPECT_EQ(*sysfs.Read("a/name"), "ina226");
  EXPECT_EQ(*sysfs.ReadInteger("a/value"), -12);
  EXPECT_EQ(sysfs.ReadInteger("a/name").status(), Unavailable(sysfs.FullPath("a/name"), ": holds no integer"));
}

TEST(SysfsFilesTest, ListsAndFollowsLinks) {
  testing::FakeSysfs sysfs;
  sysfs.Write("a/z", "");
  sysfs.Write("a/b", "");
  sysfs.Link("a/device", "../../devices/4-0034");
  EXPECT_THAT(sysfs.List("a"), ElementsAre("b", "device", "z"));
  EXPECT_THAT(sysfs.List("none"), IsEmpty());
  EXPECT_EQ(sysfs.LinkName("a/device"), "4-0034");
  EXPECT_EQ(sysfs.LinkName("a/z"), "");
}

TEST(SysfsFilesTest, TellsWhatIsMissingFromWhatDoesNotAnswer) {
  testing::FakeSysfs sysfs;
  sysfs.Write("a/file", "");
  EXPECT_TRUE(absl::IsNotFound(sysfs.Read("a/none").status()));
  EXPECT_TRUE(absl::IsNotFound(sysfs.Read("a/file/below").status()));
  const absl::Status folder = sysfs.Read("a").status();  // as good as a driver that answers with an error
  EXPECT_TRUE(absl::IsUnavailable(folder)) << folder;
  EXPECT_THAT(std::string(Message(folder)), HasSubstr(sysfs.FullPath("a") + ": Is a directory"));
}

TEST(SysfsFilesTest, TellsAMissingPermission) {
  testing::FakeSysfs sysfs;
  sysfs.Write("energy_uj", "7");
  ASSERT_EQ(chmod(sysfs.FullPath("").c_str(), 0755), 0);
  ASSERT_EQ(chmod(sysfs.FullPath("energy_uj").c_str(), 0), 0);
  absl::Status status;
  {
    const Nobody nobody;
    status = sysfs.Read("energy_uj").status();
  }
  EXPECT_EQ(status, absl::PermissionDeniedError(sysfs.FullPath("energy_uj") + ": Permission denied"));
}

}  // namespace
}  // namespace msq::server

// A service manager's socket: what arrives at it, and when the watchdog is fed.
#include "server/notify.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"

namespace msq::server {
namespace {

using ::testing::HasSubstr;

// The environment that a manager gives, and its end of the socket.
class NotifyTest : public ::testing::Test {
 protected:
  ~NotifyTest() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
    if (fd_ >= 0) close(fd_);
    unlink(path_.c_str());
  }

  // '@' in front: an abstract name.
  void Listen(const std::string& name) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    fd_ = socket(AF_UNIX, SOCK_DGRAM, 0);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    ASSERT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0) << name;
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }

  // The next datagram within `time`, or "nothing".
  std::string Receive(absl::Duration time = absl::Seconds(10)) {
    const timeval timeout = absl::ToTimeval(time);
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    char text[256];
    const ssize_t size = recv(fd_, text, sizeof(text), 0);
    return size < 0 ? "nothing" : std::string(text, static_cast<size_t>(size));
  }

  static ServiceManager Manager() {
    auto manager = ServiceManager::FromEnvironment();
    EXPECT_TRUE(manager.ok()) << manager.status();
    return manager.value_or(ServiceManager());
  }

  static std::string Refusal() { return ServiceManager::FromEnvironment().status().ToString(); }

  const std::string path_ = ::testing::TempDir() + "notify_test_" + std::to_string(getpid());
  int fd_ = -1;
};

TEST_F(NotifyTest, NobodyWantsToBeTold) {
  setenv("WATCHDOG_USEC", "1000", 1);
  const ServiceManager manager = Manager();
  EXPECT_TRUE(manager.Tell("READY=1").ok());
  EXPECT_EQ(manager.watchdog(), absl::InfiniteDuration());
  const WatchdogFeeder feeder(&manager, [](absl::Duration) -> absl::Status {
    ADD_FAILURE() << "nobody watches";
    return absl::OkStatus();
  });
}

TEST_F(NotifyTest, TellsAtAPathAndAtAnAbstractName) {
  for (const std::string& name : {path_, "@msq_notify_test_" + std::to_string(getpid())}) {
    Listen(name);
    EXPECT_TRUE(Manager().Tell("READY=1\nSTATUS=serving").ok());
    EXPECT_EQ(Receive(), "READY=1\nSTATUS=serving");
    close(fd_);
  }
  fd_ = -1;
}

TEST_F(NotifyTest, SaysWhenNobodyListens) {
  setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  EXPECT_THAT(Manager().Tell("READY=1").ToString(), HasSubstr(path_ + " cannot be told: No such file"));
}

TEST_F(NotifyTest, RefusesWhatCannotBe) {
  setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
  EXPECT_THAT(Refusal(), HasSubstr("'vsock:2:1' is neither a path nor an abstract name"));
  setenv("NOTIFY_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
  EXPECT_THAT(Refusal(), HasSubstr("is too long"));
  setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  for (const char* bad : {"x", "0", "-5", "1s"}) {
    setenv("WATCHDOG_USEC", bad, 1);
    EXPECT_THAT(Refusal(), HasSubstr("' is no number of microseconds")) << bad;
  }
}

TEST_F(NotifyTest, AnotherProcessWatchdogIsNotOurs) {
  Listen(path_);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(Manager().watchdog(), absl::InfiniteDuration());
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  EXPECT_EQ(Manager().watchdog(), absl::Seconds(3));
  unsetenv("WATCHDOG_PID");
  EXPECT_EQ(Manager().watchdog(), absl::Seconds(3));
}

TEST_F(NotifyTest, FeedsTheWatchdogOnlyWhileAlive) {
  Listen(path_);
  setenv("WATCHDOG_USEC", "150000", 1);
  std::atomic<bool> alive = true;
  std::atomic<int> asked = 0;
  const ServiceManager manager = Manager();
  {
    const WatchdogFeeder feeder(&manager, [&](absl::Duration within) -> absl::Status {
      EXPECT_EQ(within, absl::Milliseconds(25));
      ++asked;
      return alive ? absl::OkStatus() : absl::InternalError("stuck");
    });
    for (int i = 0; i < 5; ++i) EXPECT_EQ(Receive(), "WATCHDOG=1");
    alive = false;
    const int before = asked;
    while (asked < before + 2) absl::SleepFor(absl::Milliseconds(1));  // one may have been under way
    while (Receive(absl::Milliseconds(1)) != "nothing") continue;
    EXPECT_EQ(Receive(absl::Milliseconds(300)), "nothing");
    alive = true;
    EXPECT_EQ(Receive(), "WATCHDOG=1");
  }
  while (Receive(absl::Milliseconds(1)) != "nothing") continue;
  EXPECT_EQ(Receive(absl::Milliseconds(200)), "nothing");  // it is gone
}

}  // namespace
}  // namespace msq::server

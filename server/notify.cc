#include "server/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status.h"

namespace msq::server {
namespace {

// A feed is due every third of the watchdog's time, and asking may take half of such a third: one that was lost or late does
// no harm.
constexpr int kFeedsPerTimeout = 3;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

absl::StatusOr<ServiceManager> ServiceManager::FromEnvironment() {
  ServiceManager manager;
  manager.socket_ = Environment("NOTIFY_SOCKET");
  if (manager.socket_.empty()) return manager;
  if (manager.socket_[0] != '/' && manager.socket_[0] != '@') {
    return InvalidArgument("NOTIFY_SOCKET '", manager.socket_, "' is neither a path nor an abstract name");
  }
  if (manager.socket_.size() >= sizeof(sockaddr_un::sun_path)) {
    return InvalidArgument("NOTIFY_SOCKET '", manager.socket_, "' is too long for a socket's name");
  }
  const std::string timeout = Environment("WATCHDOG_USEC"), process = Environment("WATCHDOG_PID");
  // Whose process the watchdog is; a child inherits the environment of its parent.
  if (timeout.empty() || (!process.empty() && process != std::to_string(getpid()))) return manager;
  int64_t microseconds = 0;
  if (!absl::SimpleAtoi(timeout, &microseconds) || microseconds < 1) {
    return InvalidArgument("WATCHDOG_USEC '", timeout, "' is no number of microseconds");
  }
  manager.watchdog_ = absl::Microseconds(microseconds);
  return manager;
}

absl::Status ServiceManager::Tell(std::string_view state) const {
  if (socket_.empty()) return absl::OkStatus();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // an abstract name
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "the service manager cannot be told");
  const ssize_t sent =
      sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  const int error = errno;
  close(fd);
  if (sent < 0) return absl::ErrnoToStatus(error, absl::StrCat("the service manager at ", socket_, " cannot be told"));
  return absl::OkStatus();
}

WatchdogFeeder::WatchdogFeeder(const ServiceManager* manager, std::function<absl::Status(absl::Duration)> alive)
    : manager_(*manager), alive_(std::move(alive)) {
  if (manager_.watchdog() < absl::InfiniteDuration()) thread_ = std::thread([this] { Feed(); });
}

WatchdogFeeder::~WatchdogFeeder() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void WatchdogFeeder::Feed() {
  const absl::Duration interval = manager_.watchdog() / kFeedsPerTimeout;
  std::string complaint;  // logged when it changes
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    absl::Status status = alive_(interval / 2);
    if (status.ok()) status = manager_.Tell("WATCHDOG=1");
    if (!status.ok() && status.ToString() != complaint) LogError("the watchdog is not fed: ", status.ToString());
    if (status.ok() && !complaint.empty()) LogInfo("the watchdog is fed again");
    complaint = status.ok() ? "" : status.ToString();
    lock.lock();
    wake_.wait_for(lock, absl::ToChronoMicroseconds(interval), [this] { return stopping_; });
  }
}

}  // namespace msq::server

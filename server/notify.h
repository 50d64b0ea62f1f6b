// Tells the service manager that started the daemon (systemd, or what speaks its protocol) how the daemon is, and feeds its
// watchdog. The protocol is one datagram of text to the socket that the environment names: too little for libsystemd, which
// would have to be on every board and in every image.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace msq::server {

class ServiceManager {
 public:
  // As NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say. Without NOTIFY_SOCKET nobody wants to be told anything.
  // INVALID_ARGUMENT for values that cannot be.
  static absl::StatusOr<ServiceManager> FromEnvironment();

  // "READY=1", "STOPPING=1", "STATUS=..."; several are lines. OK where nobody wants to be told. Never waits for long.
  absl::Status Tell(std::string_view state) const;

  // Within this the watchdog must be fed again, or the manager ends the daemon. Infinite: there is none.
  absl::Duration watchdog() const { return watchdog_; }

 private:
  std::string socket_;  // a path, or with '@' in front an abstract name; empty: nobody
  absl::Duration watchdog_ = absl::InfiniteDuration();
};

// Feeds the manager's watchdog while `alive` says OK, on a thread of its own, until it is destroyed; does nothing where there
// is none. `alive` is given the time that it may take at most; one that never returns leaves the watchdog unfed.
class WatchdogFeeder {
 public:
  WatchdogFeeder(const ServiceManager* manager, std::function<absl::Status(absl::Duration)> alive);
  ~WatchdogFeeder();

 private:
  void Feed();

  const ServiceManager& manager_;
  const std::function<absl::Status(absl::Duration)> alive_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  // the last: it uses all the others
};

}  // namespace msq::server

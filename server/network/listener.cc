#include "server/network/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/log.h"
#include "base/status.h"
#include "server/network/descriptors.h"
#include "server/network/host_port.h"

namespace msq::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRetryDelayMs = 50;
constexpr std::chrono::minutes kWarningInterval(1);

struct Addresses {
  ~Addresses() {
    if (first != nullptr) freeaddrinfo(first);
  }
  addrinfo* first = nullptr;
};

// The socket, or -1 with errno.
int ListenAt(const addrinfo& address, int port) {
  sockaddr_storage where{};
  std::memcpy(&where, address.ai_addr, address.ai_addrlen);
  const in_port_t network_port = htons(static_cast<uint16_t>(port));
  if (address.ai_family == AF_INET) reinterpret_cast<sockaddr_in*>(&where)->sin_port = network_port;
  if (address.ai_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(&where)->sin6_port = network_port;
  const int listening = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listening < 0) return -1;
  // Lets a restarted daemon have its port back; it does not let two share one.
  const int on = 1;
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(listening, reinterpret_cast<const sockaddr*>(&where), address.ai_addrlen) == 0 &&
      listen(listening, SOMAXCONN) == 0) {
    return listening;
  }
  const int error = errno;
  close(listening);
  errno = error;
  return -1;
}

int PortOf(int listening) {
  sockaddr_storage where{};
  socklen_t size = sizeof(where);
  getsockname(listening, reinterpret_cast<sockaddr*>(&where), &size);
  return ntohs(where.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&where)->sin6_port
                                           : reinterpret_cast<const sockaddr_in*>(&where)->sin_port);
}

std::string Cause(int error) {
  if (error == EADDRINUSE) return "the port is in use";
  if (error == EADDRNOTAVAIL) return "the address is not this machine's";
  return std::strerror(error);
}

bool IsOutOfResources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(const std::string& address) {
  MSQ_ASSIGN_OR_RETURN(const HostPort where, ParseHostPort(address));
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  Addresses addresses;
  if (const int error = getaddrinfo(where.host.c_str(), nullptr, &hints, &addresses.first); error != 0) {
    return Unavailable("host '", where.host, "' is unknown: ", gai_strerror(error));
  }
  std::unique_ptr<Listener> listener(new Listener());
  listener->port_ = where.port;
  int error = 0;
  for (const addrinfo* one = addresses.first; one != nullptr; one = one->ai_next) {
    const int listening = ListenAt(*one, listener->port_);
    if (listening < 0) {
      error = errno;
      if (error == EADDRINUSE && where.port != 0) break;
      continue;  // a name may stand for IPv6 too where there is none
    }
    listener->sockets_.push_back(listening);
    listener->port_ = PortOf(listening);
  }
  if (listener->sockets_.empty() || (error == EADDRINUSE && where.port != 0)) return Unavailable(Cause(error));
  listener->wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (listener->wake_ < 0) return Unavailable(Cause(errno));
  return listener;
}

Listener::~Listener() {
  Stop();
  if (wake_ >= 0) close(wake_);
}

void Listener::Serve(std::function<void(int connection)> take) {
  thread_ = std::thread([this, take = std::move(take)] { Run(take); });
}

void Listener::Stop() {
  if (wake_ >= 0) eventfd_write(wake_, 1);
  if (thread_.joinable()) thread_.join();
  for (int listening : sockets_) close(listening);
  sockets_.clear();
}

void Listener::Run(const std::function<void(int)>& take) {
  std::vector<pollfd> polled = {{wake_, POLLIN, 0}};
  for (int listening : sockets_) polled.push_back({listening, POLLIN, 0});
  Clock::time_point quiet_until{};
  const auto warn = [&quiet_until](const std::string& why) {
    if (Clock::now() < quiet_until) return;
    quiet_until = Clock::now() + kWarningInterval;
    LogWarning("new gRPC connections are refused: ", why);
  };
  while (true) {
    if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return LogError("gRPC port: ", Cause(errno));
    if (polled[0].revents != 0) return;
    for (size_t i = 1; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      const int connection = accept4(polled[i].fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connection < 0) {
        if (!IsOutOfResources(errno)) continue;  // the client is gone again
        warn(Cause(errno));
        poll(polled.data(), 1, kRetryDelayMs);
      } else if (IsInReserve(connection, kGrpcReserve)) {
        close(connection);
        warn("too many file descriptors are open (ulimit -n)");
      } else {
        const int on = 1;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        take(connection);
      }
    }
  }
}

}  // namespace msq::server

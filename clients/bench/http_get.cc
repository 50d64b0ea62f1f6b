#include "clients/bench/http_get.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/status.h"

namespace msq::bench {
namespace {

constexpr size_t kLongestPage = size_t{64} << 20;

struct Url {
  std::string host, port = "80", path = "/";
};

absl::StatusOr<Url> ParseUrl(const std::string& text) {
  Url url;
  std::string_view rest = text;
  if (!absl::StartsWith(text, "http://")) return InvalidArgument("'", text, "' is no http:// URL");
  rest.remove_prefix(7);
  const size_t slash = std::min(rest.find('/'), rest.size());
  if (slash < rest.size()) url.path = std::string(rest.substr(slash));
  std::string_view authority = rest.substr(0, slash);
  if (!authority.empty() && authority.front() == '[') {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return InvalidArgument("'", text, "' has no ]");
    url.host = std::string(authority.substr(1, close - 1));
    authority.remove_prefix(close + 1);
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    url.host = std::string(authority.substr(0, colon));
    authority.remove_prefix(colon);
  }
  if (!authority.empty()) url.port = std::string(authority.substr(1));
  if (url.host.empty() || url.port.empty()) return InvalidArgument("'", text, "' names no host and port");
  return url;
}

// Closes with its scope.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

  // Whether the socket is ready for `events` before `deadline`; errno says why not.
  bool Wait(int16_t events, absl::Time deadline) const {
    const int64_t ms = std::max<int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now()));
    pollfd poll_fd{.fd = fd_, .events = events, .revents = 0};
    const int ready = poll(&poll_fd, 1, static_cast<int>(ms));
    if (ready == 0) errno = ETIMEDOUT;
    return ready > 0;
  }

 private:
  const int fd_;
};

// Connects without blocking; 0 or the error's number.
int Connect(const Socket& socket, const addrinfo& address, absl::Time deadline) {
  if (connect(socket.fd(), address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (!socket.Wait(POLLOUT, deadline)) return errno;
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

absl::StatusOr<std::string> Exchange(const Socket& socket, std::string_view request, absl::Time deadline) {
  while (!request.empty()) {
    if (!socket.Wait(POLLOUT, deadline)) return Unavailable(std::strerror(errno));
    const ssize_t sent = send(socket.fd(), request.data(), request.size(), MSG_NOSIGNAL);
    if (sent < 0) return Unavailable(std::strerror(errno));
    request.remove_prefix(static_cast<size_t>(sent));
  }
  std::string page;
  char buffer[16384];
  while (true) {
    if (!socket.Wait(POLLIN, deadline)) return Unavailable(std::strerror(errno));
    const ssize_t received = recv(socket.fd(), buffer, sizeof buffer, 0);
    if (received < 0) return Unavailable(std::strerror(errno));
    if (received == 0) return page;
    page.append(buffer, static_cast<size_t>(received));
    if (page.size() > kLongestPage) return Unavailable("the page has more than ", kLongestPage, " bytes");
  }
}

// Of the head's lines; nothing where there is none, or none that is a number.
std::optional<size_t> ContentLength(const std::string& head) {
  for (const auto& line : absl::StrSplit(head, "\r\n")) {
    const std::vector<std::string> field = absl::StrSplit(line, absl::MaxSplits(':', 1));
    size_t length = 0;
    if (absl::EqualsIgnoreCase(field[0], "content-length") && absl::SimpleAtoi(field.back(), &length)) return length;
  }
  return std::nullopt;
}

absl::StatusOr<std::string> Body(const std::string& page) {
  const size_t head = page.find("\r\n\r\n");
  const std::string_view line = std::string_view(page).substr(0, page.find("\r\n"));
  if (line.substr(0, 5) != "HTTP/" || head == std::string::npos) return Unavailable("the answer is no HTTP");
  const size_t status = line.find(' ');
  if (status == std::string_view::npos || line.substr(status + 1, 3) != "200") {
    return Unavailable("the answer is ", std::string(line));
  }
  const size_t bytes = page.size() - (head + 4);
  const std::optional<size_t> length = ContentLength(page.substr(0, head));
  if (length && bytes != *length) return Unavailable("the answer has ", bytes, " bytes instead of ", *length);
  return page.substr(head + 4);
}

absl::StatusOr<std::string> Get(const Url& url, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &found); error != 0) {
    return Unavailable(gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  int error = 0;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const Socket socket(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    error = socket.fd() < 0 ? errno : Connect(socket, *address, deadline);
    if (error != 0) continue;
    // 1.0: the answer comes in one piece and ends with the connection.
    MSQ_ASSIGN_OR_RETURN(
        const std::string page,
        Exchange(socket, absl::StrCat("GET ", url.path, " HTTP/1.0\r\nHost: ", url.host, ":", url.port, "\r\n\r\n"),
                 deadline));
    return Body(page);
  }
  return Unavailable(std::strerror(error));
}

}  // namespace

absl::StatusOr<std::string> HttpGet(const std::string& url, absl::Duration timeout) {
  MSQ_ASSIGN_OR_RETURN(const Url parsed, ParseUrl(url));
  auto body = Get(parsed, timeout);
  if (!body.ok()) return WithContext(body.status(), url);
  return body;
}

}  // namespace msq::bench

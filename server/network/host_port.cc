#include "server/network/host_port.h"

#include "base/status.h"

namespace msq::server {

absl::StatusOr<HostPort> ParseHostPort(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon == std::string::npos ? 0 : colon);
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (host.empty() || !digits || std::stoi(port) > 65535) {
    return InvalidArgument("address '", address, "' is not HOST:PORT");
  }
  return HostPort{std::move(host), static_cast<uint16_t>(std::stoi(port))};
}

}  // namespace msq::server

// Addresses of the command line: HOST:PORT.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace msq::server {

struct HostPort {
  std::string host;  // without brackets; never empty
  uint16_t port = 0;
};

// Of "host:80", "127.0.0.1:80" and "[::1]:80". INVALID_ARGUMENT for anything else; a name is not looked up.
absl::StatusOr<HostPort> ParseHostPort(const std::string& address);

}  // namespace msq::server

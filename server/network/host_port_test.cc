#include "server/network/host_port.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace msq::server {
namespace {

TEST(HostPortTest, NamesAndAddressesOfBothProtocols) {
  for (const auto& [address, host, port] :
       std::initializer_list<std::tuple<const char*, const char*, int>>{{"localhost:80", "localhost", 80},
                                                                        {"127.0.0.1:0", "127.0.0.1", 0},
                                                                        {"[::1]:65535", "::1", 65535},
                                                                        {"::1:8001", "::1", 8001}}) {
    const auto parsed = ParseHostPort(address);
    ASSERT_TRUE(parsed.ok()) << address;
    EXPECT_EQ(parsed->host, host);
    EXPECT_EQ(parsed->port, port);
  }
}

TEST(HostPortTest, AnythingElseIsRefused) {
  for (const char* address : {"", "80", ":80", "h:", "h:x", "h:-1", "h:70000", "h:123456", "h: 1"}) {
    const auto parsed = ParseHostPort(address);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_EQ(Message(parsed.status()), "address '" + std::string(address) + "' is not HOST:PORT");
  }
}

}  // namespace
}  // namespace msq::server

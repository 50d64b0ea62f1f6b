// Pages, and what can be wrong with those who serve them.
#include "clients/bench/http_get.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace msq::bench {
namespace {

using ::testing::HasSubstr;

// Answers one connection with some bytes, or, without any, with nothing for a second.
class OneAnswer {
 public:
  explicit OneAnswer(std::string bytes) : bytes_(std::move(bytes)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/metrics";
    thread_ = std::thread([this] { Answer(); });
  }
  ~OneAnswer() {
    thread_.join();
    close(listener_);
  }
  const std::string& url() const { return url_; }
  const std::string& request() const { return request_; }

 private:
  void Answer() {
    const int connection = accept(listener_, nullptr, nullptr);
    char buffer[4096];
    const ssize_t received = recv(connection, buffer, sizeof buffer, 0);
    request_.assign(buffer, received > 0 ? static_cast<size_t>(received) : 0);
    if (bytes_.empty()) std::this_thread::sleep_for(std::chrono::seconds(1));
    send(connection, bytes_.data(), bytes_.size(), MSG_NOSIGNAL);
    close(connection);
  }

  const std::string bytes_;
  const int listener_;
  std::string url_, request_;
  std::thread thread_;
};

TEST(HttpGetTest, ReturnsTheBody) {
  OneAnswer server("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\na 1\n\r\n\r\nb 2\n");
  const auto body = HttpGet(server.url(), absl::Seconds(5));
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(*body, "a 1\n\r\n\r\nb 2\n");
  EXPECT_THAT(server.request(), ::testing::StartsWith("GET /metrics HTTP/1.0\r\n"));
}

TEST(HttpGetTest, TakesAWholeBodyWhoseLengthIsTold) {
  OneAnswer server("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\na 1\n");
  const auto body = HttpGet(server.url(), absl::Seconds(5));
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(*body, "a 1\n");
}

TEST(HttpGetTest, SaysWhatIsWrong) {
  const auto failure = [](const std::string& bytes, absl::Duration timeout) {
    OneAnswer server(bytes);
    const auto body = HttpGet(server.url(), timeout);
    EXPECT_THAT(std::string(Message(body.status())), HasSubstr(server.url()));
    return std::string(Message(body.status()));
  };
  EXPECT_THAT(failure("HTTP/1.1 404 Not Found\r\n\r\n", absl::Seconds(5)), HasSubstr("404 Not Found"));
  EXPECT_THAT(failure("SSH-2.0\r\n", absl::Seconds(5)), HasSubstr("no HTTP"));
  EXPECT_THAT(failure("HTTP/1.1 200 OK\r\ncontent-length:  8\r\n\r\na 1\n", absl::Seconds(5)),
              HasSubstr("the answer has 4 bytes instead of 8"));  // it was cut off
  EXPECT_THAT(failure("", absl::Milliseconds(100)), HasSubstr("timed out"));
  EXPECT_THAT(std::string(Message(HttpGet("http://127.0.0.1:1/metrics", absl::Seconds(5)).status())),
              HasSubstr("http://127.0.0.1:1/metrics: Connection refused"));
  for (const char* url : {"", "https://a/", "http://", "http://:80", "http://a:", "http://[::1"}) {
    EXPECT_EQ(HttpGet(url, absl::Seconds(1)).status().code(), absl::StatusCode::kInvalidArgument) << url;
  }
}

}  // namespace
}  // namespace msq::bench

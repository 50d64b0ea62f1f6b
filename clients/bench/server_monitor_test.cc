// What the monitor remembers of a server that does not answer all the time.
#include "clients/bench/server_monitor.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace msq::bench {
namespace {

using ::testing::HasSubstr;

// A sensor that has taken a joule more at each look. While it is broken it answers with an error.
class MetricsServer {
 public:
  MetricsServer() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/metrics";
    thread_ = std::thread([this] { Serve(); });
  }
  ~MetricsServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  const std::string& url() const { return url_; }
  void Break(bool broken) { broken_ = broken; }

 private:
  void Serve() {
    for (int joules = 1;; ++joules) {
      const int connection = accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      char buffer[4096];
      EXPECT_GT(recv(connection, buffer, sizeof buffer, 0), 0);
      const std::string labels = "{backend=\"cpu\",device=\"p\",source=\"rapl\"} ";
      const std::string answer = broken_ ? "HTTP/1.1 503 Service Unavailable\r\n\r\n"
                                         : absl::StrCat("HTTP/1.1 200 OK\r\n\r\nmsq_power_watts", labels,
                                                        "20\nmsq_energy_joules_total", labels, joules, "\n");
      send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
      close(connection);
    }
  }

  const int listener_;
  std::atomic<bool> broken_{false};
  std::string url_;
  std::thread thread_;
};

void WaitForLooks(const ServerMonitor& monitor, size_t more) {
  const size_t enough = monitor.History().size() + more;
  while (monitor.History().size() < enough) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

TEST(ServerMonitorTest, ALookThatFailsIsRememberedAndCostsNoFigure) {
  MetricsServer server;
  ServerMonitor monitor(server.url(), "net");
  monitor.BeginRound();
  monitor.Start(0.02);
  WaitForLooks(monitor, 2);
  server.Break(true);
  WaitForLooks(monitor, 3);
  server.Break(false);
  WaitForLooks(monitor, 2);
  monitor.Stop();
  const auto interval = monitor.EndRound();
  ASSERT_TRUE(interval.ok()) << interval.status();
  const Energy& energy = interval->energy.at({"cpu", "rapl"});
  EXPECT_EQ(energy.dropped, "");  // the sensor was there each time that the server answered
  const std::vector<ServerSnapshot> history = monitor.History();
  EXPECT_EQ(energy.joules, static_cast<double>(history.size() - 1));
  size_t missed = 0;
  double before_s = -1;
  for (const ServerSnapshot& snapshot : history) {
    EXPECT_GT(snapshot.time_s, before_s);
    before_s = snapshot.time_s;
    if (snapshot.missed.empty()) continue;
    ++missed;
    EXPECT_THAT(snapshot.missed, HasSubstr("503"));
    EXPECT_TRUE(snapshot.rails.empty());
  }
  EXPECT_GE(missed, 2u);
  EXPECT_LT(missed, history.size() - 2);
  EXPECT_THAT(MissedLooksNote(history), HasSubstr(absl::StrCat(missed, " of ", history.size(), " looks")));
}

TEST(ServerMonitorTest, AnEdgeThatFailsLeavesNoInterval) {
  MetricsServer server;
  ServerMonitor monitor(server.url(), "net");
  server.Break(true);
  monitor.BeginRound();
  server.Break(false);
  EXPECT_THAT(std::string(monitor.EndRound().status().message()), HasSubstr("503"));
  monitor.BeginRound();
  server.Break(true);
  EXPECT_THAT(std::string(monitor.EndRound().status().message()), HasSubstr("503"));
  ASSERT_EQ(monitor.History().size(), 4u);
  EXPECT_THAT(monitor.History()[3].missed, HasSubstr("503"));
}

}  // namespace
}  // namespace msq::bench

#include "server/network/listener.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <vector>

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "base/status.h"
#include "server/network/descriptors.h"
#include "server/testing/raw_http_client.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using Client = testing::RawHttpClient;

void Greet(int connection) {
  EXPECT_EQ(write(connection, "hello", 5), 5);
  close(connection);
}

TEST(ListenerTest, HandsConnectionsOnUntilItStops) {
  auto listener = Listener::Open("localhost:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  Client early((*listener)->port());
  (*listener)->Serve(Greet);
  EXPECT_EQ(early.ReadAll(), "hello<closed>");
  EXPECT_EQ(Client((*listener)->port()).ReadAll(), "hello<closed>");
  (*listener)->Stop();
  EXPECT_FALSE(Client((*listener)->port()).connected());
}

TEST(ListenerTest, TakenPortsUnknownHostsAndBadAddressesAreErrorsWithTheirCause) {
  const auto listener = Listener::Open("127.0.0.1:0");
  ASSERT_TRUE(listener.ok());
  const auto error = [](const std::string& address) { return Listener::Open(address).status(); };
  const absl::Status taken = error("127.0.0.1:" + std::to_string((*listener)->port()));
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(taken), "the port is in use");
  EXPECT_EQ(Message(error("192.0.2.1:0")), "the address is not this machine's");
  EXPECT_EQ(Message(error("no.such.host.invalid:0")).substr(0, 40), "host 'no.such.host.invalid' is unknown: ");
  EXPECT_EQ(error("8001").code(), absl::StatusCode::kInvalidArgument);
}

// Fills the process with connections, whose both ends are its own, until it is out of descriptors; then closes them all.
// The last step that went well.
int RunOutOfDescriptors() {
  const rlimit limit = {128, 128};
  setrlimit(RLIMIT_NOFILE, &limit);
  auto listener = Listener::Open("127.0.0.1:0");
  if (!listener.ok()) return 0;
  const int port = (*listener)->port();
  std::mutex mutex;
  std::vector<int> taken;
  (*listener)->Serve([&](int connection) {
    std::lock_guard lock(mutex);
    taken.push_back(connection);
  });
  const auto has_taken = [&] {
    std::lock_guard lock(mutex);
    return !taken.empty();
  };
  std::deque<Client> clients;
  clients.emplace_back(port);
  if (!testing::Eventually(has_taken)) return 2;
  for (int i = 0; i < 200; ++i) clients.emplace_back(port);
  if (clients.back().connected()) return 1;
  absl::SleepFor(absl::Milliseconds(300));
  clients.clear();
  std::unique_lock lock(mutex);
  if (IsInReserve(*std::max_element(taken.begin(), taken.end()), kGrpcReserve)) return 3;
  for (int connection : taken) close(connection);
  taken.clear();
  lock.unlock();
  Client late(port);
  return testing::Eventually(has_taken) ? 5 : 4;
}

TEST(ListenerDeathTest, GoesOnAfterThereWereNoDescriptors) {
  EXPECT_EXIT(std::_Exit(RunOutOfDescriptors()), ::testing::ExitedWithCode(5), "new gRPC connections are refused");
}

TEST(ListenerDeathTest, TheLimitIsRaised) {
  const auto raised = [] {
    rlimit limit = {64, 512};
    setrlimit(RLIMIT_NOFILE, &limit);
    RaiseDescriptorLimit();
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == 512 ? 5 : 4;
  };
  EXPECT_EXIT(std::_Exit(raised()), ::testing::ExitedWithCode(5), "");
}

}  // namespace
}  // namespace msq::server

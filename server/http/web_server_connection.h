// What web_server.cc and its connections share: a connection reads requests from one client and writes the answers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "absl/time/clock.h"
#include "server/http/web_server.h"

namespace msq::server {

// What a connection must let others do to it, from any thread.
class WebConnection : public std::enable_shared_from_this<WebConnection> {
 public:
  virtual ~WebConnection() = default;
  // Takes over the caller's reference: when this returns the connection may be gone.
  virtual void Send(std::shared_ptr<WebConnection> self, WebResponse response) = 0;
  enum class If : uint8_t { kAny, kIdle, kWaiting };
  // Closes it: at once, or only when no request is under way, or when it waits for its client's next bytes.
  virtual void Close(If state) = 0;
};

// What the connections of a server share; thread-safe. Exchanges keep it alive after the server.
struct WebServerState {
  WebServer::Options options;
  WebServer::Handler handler;
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::condition_variable changed;
  // Since when each waits for its client's next bytes; InfiniteFuture: it does not, or is being closed.
  std::unordered_map<WebConnection*, absl::Time> connections;
  // Runs the task, beside those of other requests with bodies about as large.
  std::function<void(uint64_t body_bytes, std::function<void()> task)> run;
  // Connections that wait for their handler's answer: only this keeps them alive meanwhile, so that an exchange that is
  // kept for ever keeps no socket.
  std::unordered_map<uint64_t, std::shared_ptr<WebConnection>> waiting;
  std::atomic<uint64_t> next_exchange{0};
  uint64_t body_bytes = 0;

  WebResponse ErrorPage(int status, const std::string& message) const {
    if (options.error_page) return options.error_page(status, message);
    return {status, {{"Content-Type", "text/plain"}}, message + "\n"};
  }

  void Answer(uint64_t exchange, WebResponse response) {
    std::lock_guard lock(mutex);
    const auto it = waiting.find(exchange);
    if (it == waiting.end()) return;
    std::shared_ptr<WebConnection> connection = std::move(it->second);
    waiting.erase(it);
    WebConnection& connection_ref = *connection;
    connection_ref.Send(std::move(connection), std::move(response));  // under the lock: the server cannot end meanwhile
  }

  void SetWaiting(WebConnection* connection, bool waiting_for_client) {
    std::lock_guard lock(mutex);
    connections[connection] = waiting_for_client ? absl::Now() : absl::InfiniteFuture();
  }

  bool Charge(uint64_t bytes) {
    std::lock_guard lock(mutex);
    if (body_bytes + bytes > options.max_total_body_bytes) return false;
    body_bytes += bytes;
    return true;
  }
  void Refund(uint64_t bytes) {
    std::lock_guard lock(mutex);
    body_bytes -= bytes;
  }
};

// Serves the client at the other end of the socket, until one of both closes it.
void ServeClient(std::shared_ptr<WebServerState> state, boost::asio::ip::tcp::socket socket);
void ServeTlsClient(std::shared_ptr<WebServerState> state, boost::asio::ip::tcp::socket socket,
                    boost::asio::ssl::context& tls);

}  // namespace msq::server

// A small HTTP/1.1 server: reads requests, hands each to one handler, writes the answers. Knows nothing of what they mean.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/http/web_exchange.h"

namespace msq::server {

// Thread-safe. Serves from Start to Stop or destruction. No client can hold it up: every step of a connection has a time
// limit, headers, bodies and their sum have size limits, silent clients make room for new ones, a handler never waits
// for a client, and what has a body is handled on other threads than what has none.
class WebServer {
 public:
  struct Tls {
    std::string certificate_file;  // PEM, the chain
    std::string key_file;
    std::string client_ca_file;  // when given, clients must show a certificate that it signed
  };
  struct Options {
    std::string address;  // HOST:PORT; port 0 picks a free one; [::1]:PORT for IPv6
    std::optional<Tls> tls;
    // That read, write and call the handler for requests whose body is small. As many call it for others, half as many
    // for large bodies: none of these three waits for another.
    int threads = 2;
    // When there are so many a new one takes the place of the one whose client's next bytes, of a request or a body, are
    // waited for longest; only where all are being answered it is closed.
    size_t max_connections = 512;
    uint64_t max_body_bytes = uint64_t{1} << 20;
    // Bodies that are received or being answered, all together; more are refused (503).
    uint64_t max_total_body_bytes = uint64_t{16} << 20;
    // For each of: the next request's headers, a body.
    absl::Duration step_timeout = absl::Seconds(60);
    // For an answer's way to the client.
    absl::Duration answer_timeout = absl::Seconds(60);
    // For each of: TLS's handshake, the first request's headers.
    absl::Duration first_timeout = absl::Seconds(15);
    // Called with a request that has a body before this is read; an answer refuses it, and closes the connection.
    std::function<std::optional<WebResponse>(const WebRequest& head)> check_head;
    // The answer to what never reaches the handler; the default is a line of text.
    std::function<WebResponse(int status, const std::string& message)> error_page;
  };
  // Called on the server's threads; may keep the exchange and answer later from any thread.
  using Handler = std::function<void(const std::shared_ptr<WebExchange>&)>;

  // INVALID_ARGUMENT for a malformed address or unusable TLS files, UNAVAILABLE when it cannot listen there; the message
  // names the cause.
  static absl::StatusOr<std::unique_ptr<WebServer>> Start(Options options, Handler handler);
  ~WebServer();

  int port() const;
  // Closes the port and idle connections at once; requests under way are answered if that takes no longer than `grace`.
  // Later calls do nothing. Exchanges may outlive the server: their answers go nowhere.
  void Stop(absl::Duration grace);

 private:
  class Impl;
  explicit WebServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace msq::server

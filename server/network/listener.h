// A TCP port whose connections are handed on as file descriptors, as many as the process can bear.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

namespace msq::server {

// Listens on every address that the host stands for. When the process is out of descriptors, or too near to it, it closes
// new connections at once and goes on: other than gRPC's own listener, which stops for good.
class Listener {
 public:
  // Takes the port; connections wait until Serve. INVALID_ARGUMENT for a malformed address, UNAVAILABLE when it cannot
  // listen there; the message names the cause.
  static absl::StatusOr<std::unique_ptr<Listener>> Open(const std::string& address);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int port() const { return port_; }
  // From now on each connection, which does not block, is `take`'s to close. Called on one thread; must not throw.
  void Serve(std::function<void(int connection)> take);
  // Closes the port. When it returns nothing is taken any more. Later calls do nothing.
  void Stop();

 private:
  Listener() = default;
  void Run(const std::function<void(int)>& take);

  int port_ = 0;
  int wake_ = -1;             // readable: stop
  std::vector<int> sockets_;  // that listen
  std::thread thread_;
};

}  // namespace msq::server

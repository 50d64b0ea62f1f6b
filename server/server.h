// The daemon as an object: owns repository, engine, RPC service and metrics, starts them in order and stops them in
// reverse without losing an accepted request.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/registry.h"

namespace msq::server {

struct ServerOptions {
  std::string model_repository;
  std::string grpc_address = "127.0.0.1:8001";  // HOST:PORT; port 0 picks a free one
  std::string metrics_address = "127.0.0.1:8002";
  std::string server_name = "msqd";
  int threads = 0;  // that one inference may use; 0: the machine's
  int workers = 2;  // inferences at a time
  int queue_capacity = 256;
  int64_t max_queued_bytes = int64_t{1} << 30;  // input codes of the requests that wait
  int64_t max_message_bytes = int64_t{1} << 27;
  bool strict_readiness = true;
};

// Thread-safe. Serves from creation to Shutdown or destruction.
class Server {
 public:
  // INVALID_ARGUMENT for an option out of range, NOT_FOUND for the repository, UNAVAILABLE for an address that cannot
  // be listened on. Broken models are no error.
  static absl::StatusOr<std::unique_ptr<Server>> Create(const ServerOptions& options, BackendRegistry backends);
  ~Server();

  // HOST:PORT with the real ports.
  std::string grpc_address() const;
  std::string metrics_address() const;

  // Says "not ready" and serves on for `delay`, so that load balancers notice; then refuses new inferences, answers those
  // accepted, and closes. What is not answered after `grace` is cancelled. Later calls do nothing.
  void Shutdown(absl::Duration delay, absl::Duration grace);

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace msq::server

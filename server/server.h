// The daemon as an object: owns repository, engine, gRPC and HTTP services and metrics, starts them in order and stops them in
// reverse without losing an accepted request.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/registry.h"
#include "server/models/model_repository.h"
#include "server/observe/trace.h"
#include "server/power/hwmon_source.h"
#include "server/security/tls.h"

namespace msq::server {

struct ServerOptions {
  ModelRepository::Options repository;
  std::string grpc_address = "127.0.0.1:8001";  // HOST:PORT; port 0 picks a free one
  std::string http_address = "127.0.0.1:8000";
  std::string metrics_address = "127.0.0.1:8002";
  std::string server_name = "msqd";
  bool strict_readiness = true;

  // Computing.
  int threads = 0;  // that one inference may use; 0: the machine's
  int workers = 2;  // batches at a time on the CPU

  // Limits.
  int queue_capacity = 16384;                   // requests of a model that wait, where its configuration says nothing
  int64_t max_queued_bytes = int64_t{1} << 30;  // requests under way, and answers that are not read yet
  int64_t max_message_bytes = int64_t{1} << 27;
  absl::Duration answer_timeout = absl::Seconds(60);  // for a client to read an answer, before it is cut off
  bool full_is_exhausted = false;                     // a full queue answers RESOURCE_EXHAUSTED
  // Takes compressed gRPC messages. gRPC inflates a message before it looks at its size: a small one may become a
  // thousand times as large as max_message_bytes.
  bool grpc_compression = false;
  int64_t response_cache_bytes = 0;

  // Security.
  TlsFiles tls;
  std::string tokens_file;

  // Power and energy.
  absl::Duration power_interval = absl::Seconds(1);  // between two samples; zero: none is taken
  std::vector<PowerRailRule> power_rails;
  std::string sysfs_root = "/sys";

  bool triton_metrics = false;  // the metrics under Triton's names, too
  // Log lines and reasons on the status page. Nothing: only where neither tokens nor client certificates are asked for.
  std::optional<bool> status_details;

  // Tracing.
  std::string trace_file;
  TraceSettingMap trace;
};

// Thread-safe. Serves from creation to Shutdown or destruction.
class Server {
 public:
  // INVALID_ARGUMENT for an option out of range, NOT_FOUND for the repository, UNAVAILABLE for an address that cannot
  // be listened on, and as TLS and token files are wrong. Broken models are no error. `platforms` are served besides
  // MSQ's own, and the first of all is for models that name none.
  static absl::StatusOr<std::unique_ptr<Server>> Create(const ServerOptions& options, BackendRegistry backends,
                                                        std::vector<std::unique_ptr<Platform>> platforms = {});
  ~Server();

  // HOST:PORT with the real ports.
  std::string grpc_address() const;
  std::string http_address() const;
  std::string metrics_address() const;

  // Says "not ready" and serves on for `delay`, so that load balancers notice; then refuses new inferences, answers those
  // accepted, and closes. What is not answered after `grace` is cancelled. Later calls do nothing.
  void Shutdown(absl::Duration delay, absl::Duration grace);

  // Whether the daemon still does its work, ready or not: that gRPC answers, and that models are looked at again and again.
  // UNAVAILABLE with what does not, after `within` at the latest, unless a lock is held for ever. OK while it shuts down.
  absl::Status CheckAlive(absl::Duration within);

  // Reads the file of tokens again; on an error those that hold stay in force.
  absl::Status ReloadTokens();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace msq::server

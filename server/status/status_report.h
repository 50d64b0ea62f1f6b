// What the daemon tells about itself at one moment: all that the status page shows comes from here.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "backends/registry.h"
#include "server/engine/protocol_service.h"
#include "server/models/model_repository.h"
#include "server/observe/metrics.h"
#include "server/power/power_meter.h"
#include "server/status/log_history.h"

namespace msq::server {

// Counts are since the start of what they count for, as in the metrics: whoever wants rates looks twice.
struct StatusReport {
  struct Model {
    std::string name, version;  // no version where none was got at
    ModelRepository::State state = ModelRepository::State::kReady;
    std::string reason;                      // why it is not ready, or why the last load left it as it was
    std::vector<Metrics::Figures> backends;  // none while it has no queues; the preferred one first
  };
  struct OneBackend {
    std::string name, runs_on;
    double busy_seconds = 0;  // with at least one batch on it
    BackendReport report;
  };

  std::string server_name, server_version;
  absl::Time started;
  double uptime_seconds = 0;
  bool ready = false;
  std::string why;      // it is not
  bool details = true;  // else reasons and log lines are left out
  std::vector<Model> models;
  std::vector<OneBackend> backends;                   // the preferred one first
  std::vector<PowerMeter::Rail> power, absent_power;  // rails that are read, and that were
  std::vector<LogHistory::Line> log;                  // the latest first
};

// Thread-safe. All that is pointed to outlives it.
class StatusReporter {
 public:
  struct Parts {
    const ModelRepository* repository;
    const BackendRegistry* backends;
    const Metrics* metrics;
    const PowerMeter* meter;  // null: power is not measured
    const LogHistory* history;
  };
  struct Options {
    std::string server_name, server_version;
    // Messages quote files and clients: whether they are for everybody who reaches the page.
    bool details = true;
    absl::Time started = absl::UnixEpoch();
    std::chrono::steady_clock::time_point started_at = {};  // the same moment
  };
  StatusReporter(const Parts& parts, Options options) : parts_(parts), options_(std::move(options)) {}

  // From now on the service says whether the server is ready; until then it is starting.
  void SetService(const ProtocolService* service) { service_ = service; }

  StatusReport Report() const;

 private:
  void TellReadiness(const std::vector<ModelRepository::Entry>& entries, StatusReport* report) const;

  const Parts parts_;
  const Options options_;
  std::atomic<const ProtocolService*> service_{nullptr};
};

}  // namespace msq::server

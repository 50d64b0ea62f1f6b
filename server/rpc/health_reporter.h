// Tells gRPC's health service who can serve: the server, the inference service and each model as "model:<name>".
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/health_check_service_interface.h>

#include "absl/time/time.h"
#include "server/engine/protocol_service.h"
#include "server/models/model_repository.h"

namespace msq::server {

// Thread-safe. What is given to the constructor must outlive it. Devices come and go without a word, so it looks at
// models again and again; a load or unload is told at once by Update.
class HealthReporter {
 public:
  HealthReporter(grpc::HealthCheckServiceInterface* health, const ModelRepository* repository,
                 const ProtocolService* core);
  ~HealthReporter() { Stop(); }

  void Update();
  // Since all models were last looked at, to the end.
  absl::Duration since_look() const { return absl::FromChrono(std::chrono::steady_clock::now() - last_look_.load()); }
  // From now on only Update tells.
  void Stop();

 private:
  void Watch();
  // What these say, and that all others that it told of are gone.
  void Tell(const std::vector<ModelRepository::Entry>& entries);

  grpc::HealthCheckServiceInterface& health_;
  const ModelRepository& repository_;
  const ProtocolService& core_;
  std::atomic<std::chrono::steady_clock::time_point> last_look_;
  std::mutex update_mutex_;           // of what it told: what is outdated by a moment the next look corrects
  std::map<std::string, bool> told_;  // by service

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread watcher_;  // the last: it uses all the others
};

}  // namespace msq::server

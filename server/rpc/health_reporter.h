// Tells gRPC's health service who can serve: the server, the inference service and each model as "model:<name>".
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

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
  // When all models were last looked at, to the end.
  absl::Time last_look() const { return absl::FromUnixNanos(last_look_ns_); }
  // From now on only Update tells.
  void Stop();

 private:
  void Watch();
  // With update_mutex_. `known` are services that may not have been told of.
  void Look(const std::set<std::string>& known);
  void Tell(const std::string& service, bool ready);

  grpc::HealthCheckServiceInterface& health_;
  const ModelRepository& repository_;
  const ProtocolService& core_;
  std::atomic<int64_t> last_look_ns_ = 0;
  std::mutex update_mutex_;           // what was found out last is told last
  std::map<std::string, bool> told_;  // by service

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread watcher_;  // the last: it uses all the others
};

}  // namespace msq::server

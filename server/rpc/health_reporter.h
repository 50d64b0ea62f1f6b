// Tells gRPC's health service who can serve: the server, the inference service and each model as "model:<name>".
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <grpcpp/health_check_service_interface.h>

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
  // From now on only Update tells.
  void Stop();

 private:
  void Watch();
  void Tell(const std::string& service, bool ready);

  grpc::HealthCheckServiceInterface& health_;
  const ModelRepository& repository_;
  const ProtocolService& core_;
  std::mutex update_mutex_;           // what was found out last is told last
  std::map<std::string, bool> told_;  // by service

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread watcher_;  // the last: it uses all the others
};

}  // namespace msq::server

#include "server/rpc/health_reporter.h"

#include <chrono>
#include <utility>

#include "proto/inference.grpc.pb.h"

namespace msq::server {
namespace {

constexpr std::chrono::milliseconds kLookInterval(100);

}  // namespace

HealthReporter::HealthReporter(grpc::HealthCheckServiceInterface* health, const ModelRepository* repository,
                               const ProtocolService* core)
    : health_(*health), repository_(*repository), core_(*core) {
  Update();
  watcher_ = std::thread([this] { Watch(); });
}

void HealthReporter::Update() {
  Tell(repository_.Index());
}

void HealthReporter::Tell(const std::vector<ModelRepository::Entry>& entries) {
  std::lock_guard lock(update_mutex_);
  std::map<std::string, bool> ready;  // by service
  for (const ModelRepository::Entry& entry : entries) {
    ready["model:" + entry.name] |= entry.state == ModelRepository::State::kReady;
  }
  ready[""] = ready[inference::GRPCInferenceService::service_full_name()] = core_.Ready();
  for (const auto& [service, was] : told_) {
    if (was && !ready.contains(service)) health_.SetServingStatus(service, false);  // it is gone
  }
  for (const auto& [service, is] : ready) {
    const auto told = told_.find(service);
    if (told == told_.end() || told->second != is) health_.SetServingStatus(service, is);
  }
  told_ = std::move(ready);
  last_look_ = std::chrono::steady_clock::now();
}

// Looks at nothing but memory: a file system that hangs must not hold it up.
void HealthReporter::Watch() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kLookInterval, [this] { return stopping_; })) {
    lock.unlock();
    Tell(repository_.Loaded());
    lock.lock();
  }
}

void HealthReporter::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

}  // namespace msq::server

#include "server/rpc/health_reporter.h"

#include <chrono>
#include <vector>

#include "absl/time/clock.h"
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
  const std::vector<ModelRepository::Entry> index = repository_.Index();
  std::lock_guard lock(update_mutex_);
  std::set<std::string> known;
  for (const ModelRepository::Entry& entry : index) known.insert("model:" + entry.name);
  Look(known);
  // A name that is in the repository no more was told for the last time.
  std::erase_if(told_,
                [&](const auto& entry) { return entry.first.starts_with("model:") && !known.contains(entry.first); });
}

// Looks at nothing but memory: a file system that hangs must not hold up the watcher.
void HealthReporter::Look(const std::set<std::string>& known) {
  std::map<std::string, bool> models;
  for (const std::string& service : known) models[service] = false;
  for (const auto& [service, ready] : told_) models[service] = false;  // those that are gone, too
  for (const auto& model : repository_.ReadyModels("")) models["model:" + model->name()] |= model->ready();
  models[""] = models[inference::GRPCInferenceService::service_full_name()] = core_.Ready();
  for (const auto& [service, ready] : models) Tell(service, ready);
  last_look_ns_ = absl::GetCurrentTimeNanos();
}

void HealthReporter::Tell(const std::string& service, bool ready) {
  const auto [told, is_new] = told_.try_emplace(service, ready);
  if (!is_new && told->second == ready) return;
  told->second = ready;
  health_.SetServingStatus(service, ready);
}

void HealthReporter::Watch() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kLookInterval, [this] { return stopping_; })) {
    lock.unlock();
    {
      std::lock_guard update(update_mutex_);
      Look({});
    }
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

#include "clients/bench/server_monitor.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/status.h"
#include "clients/bench/http_get.h"

namespace msq::bench {

ServerMonitor::ServerMonitor(std::string metrics_url, std::string model)
    : url_(std::move(metrics_url)), model_(std::move(model)), begin_(std::chrono::steady_clock::now()) {}

ServerMonitor::~ServerMonitor() {
  Stop();
}

double ServerMonitor::Now() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

absl::StatusOr<std::vector<Series>> ServerMonitor::Page() const {
  MSQ_ASSIGN_OR_RETURN(const std::string page, HttpGet(url_, absl::Seconds(3)));
  auto series = ParsePrometheusText(page);
  if (!series.ok()) return WithContext(series.status(), url_);
  return series;
}

absl::StatusOr<ServerSnapshot> ServerMonitor::Look() const {
  const double time_s = Now();
  MSQ_ASSIGN_OR_RETURN(const std::vector<Series> series, Page());
  return MakeSnapshot(series, model_, time_s);
}

void ServerMonitor::Start(double interval_s) {
  sampler_ = std::thread([this, interval_s] { Sample(interval_s); });
}

void ServerMonitor::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (sampler_.joinable()) sampler_.join();
}

void ServerMonitor::Sample(double interval_s) {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::duration<double>(interval_s), [this] { return stopping_; })) {
    lock.unlock();
    // A page that could not be had is a gap; the edges of the rounds say so where it matters.
    Take().IgnoreError();
    lock.lock();
  }
}

absl::Status ServerMonitor::Take() {
  MSQ_ASSIGN_OR_RETURN(ServerSnapshot snapshot, Look());
  std::lock_guard lock(mutex_);
  history_.push_back(std::move(snapshot));
  return absl::OkStatus();
}

void ServerMonitor::BeginRound() {
  auto snapshot = Look();
  std::lock_guard lock(mutex_);
  round_status_ = snapshot.status();
  round_begin_ = history_.size();
  if (snapshot.ok()) history_.push_back(*std::move(snapshot));
}

absl::StatusOr<Interval> ServerMonitor::EndRound() {
  auto snapshot = Look();
  std::lock_guard lock(mutex_);
  MSQ_RETURN_IF_ERROR(round_status_);
  MSQ_RETURN_IF_ERROR(snapshot.status());
  history_.push_back(*std::move(snapshot));
  return Between(std::span(history_).subspan(round_begin_));
}

std::vector<ServerSnapshot> ServerMonitor::History() const {
  std::lock_guard lock(mutex_);
  std::vector<ServerSnapshot> history = history_;
  // Pages that were under way at once may have come in another order than they were asked for.
  std::stable_sort(history.begin(), history.end(),
                   [](const ServerSnapshot& a, const ServerSnapshot& b) { return a.time_s < b.time_s; });
  return history;
}

}  // namespace msq::bench

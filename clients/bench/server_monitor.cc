#include "clients/bench/server_monitor.h"

#include <algorithm>
#include <iterator>
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
    const double time_s = Now();
    auto snapshot = Look();
    lock.lock();
    // The history has one that failed, too; the edges of the rounds say so where it matters.
    Record(time_s, std::move(snapshot)).IgnoreError();
  }
}

absl::Status ServerMonitor::Record(double time_s, absl::StatusOr<ServerSnapshot> snapshot) {
  if (!snapshot.ok()) {
    history_.emplace_back();
    history_.back().time_s = time_s;
    history_.back().missed = std::string(Message(snapshot.status()));
    return snapshot.status();
  }
  history_.push_back(*std::move(snapshot));
  return absl::OkStatus();
}

void ServerMonitor::BeginRound() {
  const double time_s = Now();
  auto snapshot = Look();
  std::lock_guard lock(mutex_);
  round_begin_ = history_.size();
  round_status_ = Record(time_s, std::move(snapshot));
}

absl::StatusOr<Interval> ServerMonitor::EndRound() {
  const double time_s = Now();
  auto snapshot = Look();
  std::lock_guard lock(mutex_);
  const absl::Status status = Record(time_s, std::move(snapshot));
  MSQ_RETURN_IF_ERROR(round_status_);
  MSQ_RETURN_IF_ERROR(status);
  std::vector<ServerSnapshot> seen;
  std::copy_if(history_.begin() + static_cast<ptrdiff_t>(round_begin_), history_.end(), std::back_inserter(seen),
               [](const ServerSnapshot& one) { return one.missed.empty(); });
  return Between(seen);
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

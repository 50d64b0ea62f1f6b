#include "server/observe/compute_ledger.h"

#include <algorithm>

namespace msq::server {

void ComputeLedger::Meter::Advance(Time now) {
  if (open > 0 && now > since) {
    const double passed = std::chrono::duration<double>(now - since).count();
    seconds += open * passed;
    any_seconds += passed;
  }
  since = std::max(since, now);
}

ComputeLedger::Account* ComputeLedger::Open(const std::string& model, const std::string& version,
                                            const std::string& backend) {
  std::lock_guard lock(mutex_);
  Account& account = accounts_.emplace_back();
  account.number_ = ++opened_;
  account.model_ = model;
  account.version_ = version;
  account.backend_ = backend;
  account.backend_meter_ = &backends_[backend];  // which stays where it is
  return &account;
}

void ComputeLedger::Begin(Account* account, Time now) {
  std::lock_guard lock(mutex_);
  for (Meter* meter : {&account->meter_, account->backend_meter_}) {
    meter->Advance(now);
    ++meter->open;
  }
}

void ComputeLedger::End(Account* account, Time now) {
  std::lock_guard lock(mutex_);
  for (Meter* meter : {&account->meter_, account->backend_meter_}) {
    meter->Advance(now);
    --meter->open;
  }
}

void ComputeLedger::Close(Account* account) {
  std::lock_guard lock(mutex_);
  closed_seconds_[account->backend_] += account->meter_.seconds;
  accounts_.remove_if([account](const Account& other) { return &other == account; });
}

ComputeLedger::Snapshot ComputeLedger::Read(Time now) const {
  std::lock_guard lock(mutex_);
  Snapshot snapshot;
  for (const Account& account : accounts_) {
    Meter meter = account.meter_;
    meter.Advance(now);
    snapshot.backends[account.backend_].seconds += meter.seconds;
    snapshot.accounts.push_back({account.number_, account.model_, account.version_, account.backend_, meter.seconds});
  }
  for (const auto& [backend, meter] : backends_) {
    Meter copy = meter;
    copy.Advance(now);
    snapshot.backends[backend].any_seconds = copy.any_seconds;
  }
  for (const auto& [backend, seconds] : closed_seconds_) snapshot.backends[backend].seconds += seconds;
  return snapshot;
}

}  // namespace msq::server

// How long batches of each model were computed on each backend, exact at any moment, also in the middle of a batch: what
// energy is shared out by.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace msq::server {

// Thread-safe. Time is told to it, and never goes back.
class ComputeLedger {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // One model version on one backend. Begin and End come in pairs; several may be open at once.
  class Account;
  Account* Open(const std::string& model, const std::string& version, const std::string& backend);
  void Begin(Account* account, Time now);
  void End(Account* account, Time now);
  void Close(Account* account);

  struct Usage {
    uint64_t account = 0;  // no two have one number, whatever was closed meanwhile
    std::string model, version, backend;
    double seconds = 0;  // of batches: two at once count twice
  };
  struct BackendUsage {
    double seconds = 0;      // of batches: the sum of all accounts, of those that were closed, too
    double any_seconds = 0;  // with at least one batch
  };
  struct Snapshot {
    std::vector<Usage> accounts;
    std::map<std::string, BackendUsage> backends;
  };
  Snapshot Read(Time now) const;

 private:
  // Integrates a number of open batches over time.
  struct Meter {
    int open = 0;
    double seconds = 0;      // each open batch counts
    double any_seconds = 0;  // that some batch was open
    Time since = {};

    void Advance(Time now);
  };

  mutable std::mutex mutex_;
  uint64_t opened_ = 0;
  std::list<Account> accounts_;
  std::map<std::string, Meter> backends_;
  std::map<std::string, double> closed_seconds_;  // of batches, by backend
};

class ComputeLedger::Account {
 private:
  friend class ComputeLedger;
  uint64_t number_ = 0;
  std::string model_, version_, backend_;
  Meter meter_;
  Meter* backend_meter_ = nullptr;
};

}  // namespace msq::server

// SIGTERM and SIGINT: the first stops the daemon, and another, or one before it serves, ends it at once.
#pragma once

#include <future>

namespace msq::server {

// Takes the signals on a thread of its own. Make one before any other thread starts: they inherit that the signals are
// blocked. A signal that may not wait ends the process with status 128 + its number, as an unhandled one shows in a
// shell.
class StopSignals {
 public:
  StopSignals();

  // From now on the first signal is left to Await.
  void StartServing() { serving_.set_value(); }
  // The first signal's number, once it comes. Call it once.
  int Await() { return first_.get(); }

 private:
  std::promise<void> serving_;
  std::future<int> first_;
};

}  // namespace msq::server

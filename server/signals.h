// SIGTERM and SIGINT: the first stops the daemon, and another, or one before it serves, ends it at once. SIGHUP makes it
// read again what can be read again.
#pragma once

#include <functional>
#include <future>
#include <utility>

namespace msq::server {

// Takes the signals on a thread of its own. Make one before any other thread starts: they inherit that the signals are
// blocked. A signal that may not wait ends the process with status 128 + its number, as an unhandled one shows in a
// shell.
class Signals {
 public:
  Signals();

  // From now on the first signal that stops is left to AwaitStop, and each SIGHUP calls `reload`, on another thread, until
  // then. Before, SIGHUP has no effect.
  void StartServing(std::function<void()> reload) { serving_.set_value(std::move(reload)); }
  // The first signal's number, once it comes. Call it once.
  int AwaitStop() { return first_.get(); }

 private:
  std::promise<std::function<void()>> serving_;
  std::future<int> first_;
};

}  // namespace msq::server

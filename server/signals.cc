#include "server/signals.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

namespace msq::server {
namespace {

// Ends the process at a signal that may not wait.
void Watch(const sigset_t& signals, std::shared_future<std::function<void()>> serving, std::promise<int> first) {
  for (bool stopping = false;;) {
    int number = 0;
    sigwait(&signals, &number);
    const bool up = serving.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    if (number == SIGHUP) {
      if (up && !stopping) serving.get()();
      continue;
    }
    if (stopping || !up) std::_Exit(128 + number);
    stopping = true;
    first.set_value(number);
  }
}

}  // namespace

Signals::Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::promise<int> first;
  first_ = first.get_future();
  // Detached: it waits for signals until the process ends.
  std::thread(Watch, signals, serving_.get_future().share(), std::move(first)).detach();
}

}  // namespace msq::server

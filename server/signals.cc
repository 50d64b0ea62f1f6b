#include "server/signals.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

namespace msq::server {
namespace {

int TakeSignal(const sigset_t& signals) {
  int number = 0;
  sigwait(&signals, &number);
  return number;
}

}  // namespace

StopSignals::StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::promise<int> first;
  first_ = first.get_future();
  // Detached: it waits for signals until the process ends.
  std::thread([signals, serving = serving_.get_future(), first = std::move(first)]() mutable {
    const int number = TakeSignal(signals);
    if (serving.wait_for(std::chrono::seconds(0)) != std::future_status::ready) std::_Exit(128 + number);
    first.set_value(number);
    std::_Exit(128 + TakeSignal(signals));
  }).detach();
}

}  // namespace msq::server

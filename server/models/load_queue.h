// The threads that load models: tasks of one model run one after the other, those of different models beside each other.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace msq::server {

// Thread-safe. Every task runs exactly once: the destructor waits for all of them. Tasks must not throw.
class LoadQueue {
 public:
  // Precondition: threads >= 1.
  explicit LoadQueue(int threads);
  ~LoadQueue();
  LoadQueue(const LoadQueue&) = delete;
  LoadQueue& operator=(const LoadQueue&) = delete;

  // Runs the task after all earlier ones with its key.
  void Push(const std::string& key, std::function<void()> task);

 private:
  void Work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, std::deque<std::function<void()>>> tasks_;  // by key; the first of each runs or is in ready_
  std::deque<std::string> ready_;                                   // keys whose first task may run
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace msq::server

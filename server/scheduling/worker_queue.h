// A bounded queue of tasks and the threads that run them, in order of arrival.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace msq::server {

// Thread-safe. Every accepted task runs exactly once: the destructor waits for all of them. Tasks must not throw.
class WorkerQueue {
 public:
  // Preconditions: workers >= 1, capacity >= 1 (tasks that wait, not those that run).
  WorkerQueue(int workers, size_t capacity);
  ~WorkerQueue();
  WorkerQueue(const WorkerQueue&) = delete;
  WorkerQueue& operator=(const WorkerQueue&) = delete;

  // False when the queue is full; the task is then dropped unrun.
  bool TryPush(std::function<void()> task);

 private:
  void Work();

  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool closed_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace msq::server

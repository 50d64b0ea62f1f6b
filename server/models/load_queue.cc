#include "server/models/load_queue.h"

#include <utility>

namespace msq::server {

LoadQueue::LoadQueue(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

LoadQueue::~LoadQueue() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void LoadQueue::Push(const std::string& key, std::function<void()> task) {
  std::lock_guard lock(mutex_);
  auto& tasks = tasks_[key];
  tasks.push_back(std::move(task));
  if (tasks.size() > 1) return;
  ready_.push_back(key);
  wake_.notify_one();
}

// A thread that finds nothing to do may leave once the queue is closed: who runs a task goes on with what follows it.
void LoadQueue::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closed_ || !ready_.empty(); });
    if (ready_.empty()) return;
    const std::string key = std::move(ready_.front());
    ready_.pop_front();
    const auto it = tasks_.find(key);
    std::function<void()> task = std::move(it->second.front());
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    it->second.pop_front();
    if (it->second.empty()) {
      tasks_.erase(it);
    } else {
      ready_.push_back(key);
      wake_.notify_one();
    }
  }
}

}  // namespace msq::server

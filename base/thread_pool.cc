#include "base/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "base/check.h"

namespace msq {
namespace {

// One ParallelFor call. Indices are claimed one by one; the last to finish wakes the caller.
struct Job {
  Job(int64_t count_in, const std::function<void(int64_t)>& fn_in) : count(count_in), fn(fn_in) {}

  const int64_t count;
  const std::function<void(int64_t)>& fn;  // valid until `done` reaches `count`, which the caller waits for
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> done{0};
  std::mutex mutex;
  std::condition_variable finished;

  bool exhausted() const { return next.load(std::memory_order_relaxed) >= count; }

  void Work() {
    for (;;) {
      const int64_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= count) return;
      fn(i);
      if (done.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
        std::lock_guard lock(mutex);
        finished.notify_all();
      }
    }
  }
};

}  // namespace

class ThreadPool::Impl {
 public:
  explicit Impl(int threads) {
    // A machine that gives no more threads, or no memory for them, leaves a smaller pool.
    try {
      for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { WorkerLoop(); });
    } catch (const std::system_error&) {
    } catch (const std::bad_alloc&) {
    }
  }

  ~Impl() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  void Run(int64_t count, const std::function<void(int64_t)>& fn) {
    if (workers_.empty() || count <= 1) {
      for (int64_t i = 0; i < count; ++i) fn(i);
      return;
    }
    // Shared ownership: a worker may still look at the job's counters after the caller has left.
    auto job = std::make_shared<Job>(count, fn);
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(job);
    }
    wake_.notify_all();
    job->Work();
    std::unique_lock lock(job->mutex);
    job->finished.wait(lock, [&] { return job->done.load(std::memory_order_acquire) == count; });
  }

 private:
  void WorkerLoop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      if (jobs_.front()->exhausted()) {
        jobs_.pop_front();
        continue;
      }
      const std::shared_ptr<Job> job = jobs_.front();
      lock.unlock();
      job->Work();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> jobs_;  // guarded by mutex_
  bool stopping_ = false;                  // guarded by mutex_
  std::vector<std::thread> workers_;
};

ThreadPool::ThreadPool(int threads) {
  MSQ_CHECK(threads >= 1);
  impl_ = std::make_unique<Impl>(threads);
}
ThreadPool::~ThreadPool() = default;
int ThreadPool::threads() const {
  return impl_->threads();
}
void ThreadPool::ParallelFor(int64_t count, const std::function<void(int64_t)>& fn) {
  impl_->Run(count, fn);
}

}  // namespace msq

// Fork-join over a fixed set of threads: ParallelFor splits an index range and returns when every index is done.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace msq {

// Thread-safe: several threads may call ParallelFor at once; they share the workers. The caller always works too, and
// takes over whatever the workers have not claimed, so a descheduled worker delays only the index it holds.
class ThreadPool {
 public:
  // `threads` counts the caller: 1 means no worker at all. Where the machine gives fewer, the pool has fewer.
  // Precondition: threads >= 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;  // that there are, the caller included

  // Calls fn(i) once for each i in [0, count), in any order, on any thread. fn must not throw.
  void ParallelFor(int64_t count, const std::function<void(int64_t)>& fn);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace msq

#include "backends/cpu/step.h"

#include <atomic>

namespace msq::cpu {

void Frame::ForEach(int64_t count, const std::function<void(int64_t, uint8_t*)>& job) const {
  const int64_t threads = pool->threads();
  if (threads == 1 || count == 1) {
    for (int64_t i = 0; i < count; ++i) job(i, scratch);
    return;
  }
  // One index a thread, each with its own scratch, and all draw jobs from one counter.
  std::atomic<int64_t> next{0};
  pool->ParallelFor(threads < count ? threads : count, [&](int64_t slot) {
    for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) job(i, scratch + slot * scratch_bytes);
  });
}

}  // namespace msq::cpu

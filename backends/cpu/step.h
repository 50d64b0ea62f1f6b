// What a planned graph consists of: buffers in one arena and steps that read and write them.
#pragma once

#include <cstdint>
#include <functional>

#include "base/thread_pool.h"

namespace msq::cpu {

// Where a tensor lives, for each sample of a batch: `batch` pieces of `bytes`, kReadSlack and alignment included.
// Images are stored [height][width][channels], every other shape as the IR has it.
struct Buffer {
  int64_t offset = 0;  // for batch 1; a batch scales every offset
  int64_t bytes = 0;
};

// One run: a batch in its arena, and the threads to work with.
struct Frame {
  uint8_t* arena;
  int64_t batch;
  uint8_t* scratch;  // `scratch_bytes` for each thread
  int64_t scratch_bytes;
  ThreadPool* pool;

  uint8_t* Sample(const Buffer& buffer, int64_t sample) const {
    return arena + buffer.offset * batch + sample * buffer.bytes;
  }

  // Calls job(i, scratch) for each i in [0, count); no two calls share scratch at a time.
  void ForEach(int64_t count, const std::function<void(int64_t, uint8_t*)>& job) const;
};

// Immutable after construction; Run may be called by several threads at once, on different frames.
class Step {
 public:
  virtual ~Step() = default;
  virtual void Run(const Frame& frame) const = 0;
  // Of every thread, at most.
  virtual int64_t scratch_bytes() const { return 0; }
  virtual int64_t weight_bytes() const { return 0; }
};

}  // namespace msq::cpu

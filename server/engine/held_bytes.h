// Bytes that somebody holds, counted for as long as they are held.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace msq::server {

// Moves what it counts. The sum must outlive it.
class HeldBytes {
 public:
  HeldBytes() = default;
  HeldBytes(std::atomic<int64_t>* sum, int64_t bytes) : sum_(sum), bytes_(bytes) { *sum_ += bytes_; }
  HeldBytes(HeldBytes&& other) noexcept : sum_(std::exchange(other.sum_, nullptr)), bytes_(other.bytes_) {}
  HeldBytes& operator=(HeldBytes&& other) noexcept {
    std::swap(sum_, other.sum_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~HeldBytes() {
    if (sum_ != nullptr) *sum_ -= bytes_;
  }

 private:
  std::atomic<int64_t>* sum_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace msq::server

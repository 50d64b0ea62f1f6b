// Who has which words of the activation memory while a program is made.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

namespace msq::fpga {

class ActivationMemory;

// Words that are taken until the last owner lets go of them.
class Region {
 public:
  Region(ActivationMemory* memory, int64_t begin) : memory_(memory), begin_(begin) {}
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region();

  int64_t begin() const { return begin_; }

 private:
  ActivationMemory* const memory_;
  const int64_t begin_;
};

// First fit, from either end: what is short-lived at the high one leaves fewer gaps. It must outlive its regions.
class ActivationMemory {
 public:
  explicit ActivationMemory(int64_t words) : words_(words) {}

  // Null when no gap is that large.
  std::shared_ptr<Region> Take(int64_t words);
  std::shared_ptr<Region> TakeHigh(int64_t words);
  int64_t words() const { return words_; }
  int64_t taken() const;

 private:
  friend class Region;

  std::shared_ptr<Region> TakeAt(int64_t begin, int64_t words);

  const int64_t words_;
  std::map<int64_t, int64_t> taken_;  // begin -> end
};

}  // namespace msq::fpga

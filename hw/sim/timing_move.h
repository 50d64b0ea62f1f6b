// LOAD, STORE and VEC, for the timing model.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "hw/regs/isa.h"
#include "hw/sim/timing_ports.h"

namespace msq::hw {

// The bursts of rows of words: none crosses 128 bytes of address space.
class BurstWalk {
 public:
  BurstWalk() = default;
  BurstWalk(int64_t dram, int64_t row_stride, int64_t rows, int64_t row_words)
      : row_(dram), stride_(row_stride), rows_(rows), row_words_(row_words) {}
  std::optional<Burst> Peek() const;
  void Next();

 private:
  int64_t row_ = 0, stride_ = 0, rows_ = 0, row_words_ = 0;
  int64_t word_ = 0;
};

// An engine of LOAD.
class TimedLoad final : public ReadClient {
 public:
  bool Ready() const { return !active_; }
  void Start(const LoadFields& fields);
  bool Cycle();  // true in the cycle in which it ends

  std::optional<Burst> Ask() override;
  void Beat() override { ++buffered_; }

 private:
  bool active_ = false;
  BurstWalk walk_;
  int64_t wait_ = 0;       // cycles until the first burst
  int64_t buffered_ = 0;   // words that are here
  int64_t under_way_ = 0;  // words asked for that are not written
  int64_t left_ = 0;       // words to write
  int64_t tail_ = 0;
};

class TimedStore {
 public:
  explicit TimedStore(WritePort* port) : port_(*port) {}
  bool Ready() const { return !active_; }
  void Start(const StoreFields& fields);
  bool Cycle();

 private:
  WritePort& port_;
  bool active_ = false;
  BurstWalk walk_;
  int64_t wait_ = 0, read_ = 0, left_ = 0, tail_ = 0;
};

// An engine of VEC.
class TimedVec {
 public:
  bool Ready() const { return left_ == 0; }
  void Start(const VecFields& fields);
  bool Cycle() { return left_ > 0 && --left_ == 0; }

 private:
  int64_t left_ = 0;  // cycles
};

}  // namespace msq::hw

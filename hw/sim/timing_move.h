// LOAD, STORE and VEC, for the timing model.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

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
  void Beat() override { ++arriving_[0]; }

 private:
  bool active_ = false;
  BurstWalk walk_;
  int64_t wait_ = 0;                   // cycles until the first burst
  std::array<int64_t, 5> arriving_{};  // words on their way through the buffer
  int64_t buffered_ = 0;               // words that are here
  int64_t under_way_ = 0;              // words asked for that are not written
  int64_t left_ = 0;                   // words to write
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

// An engine of VEC: a word read and a word written a cycle, each of a bank that nobody else has.
class TimedVec {
 public:
  explicit TimedVec(int banks) : banks_(banks) {}
  bool Ready() const { return !active_; }
  void Start(const VecFields& fields);
  // `claimed`: a bit for each bank that is taken in this cycle.
  bool Cycle(uint32_t* claimed);

 private:
  struct Tap {
    int64_t word, y, x;
  };
  struct Write {
    int64_t ready_at;
    int64_t word;
  };
  uint32_t BankBit(int64_t word) const { return uint32_t{1} << ((word % banks_ + banks_) % banks_); }
  void Read(uint32_t* claimed);
  void NextOutput();

  const int banks_;
  VecFields f_;
  std::vector<Tap> taps_;
  bool active_ = false, walking_ = false;
  int64_t now_ = 0, begin_at_ = 0, tail_ = 0;
  int64_t in_ = 0, out_ = 0, group_ = 0, oy_ = 0, ox_ = 0;
  size_t tap_ = 0;
  bool high_ = false;
  int64_t under_way_ = 0;  // output words whose last tap was read and that are not written
  std::deque<Write> writes_;
};

}  // namespace msq::hw

// LOAD, STORE and VEC, for the timing model.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "hw/regs/isa.h"
#include "hw/sim/timing_banks.h"
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

// The words of rows in the activation memory.
class WordWalk {
 public:
  WordWalk() = default;
  // Of a LOAD or STORE.
  template <typename Fields>
  WordWalk(const Fields& f, int banks)
      : word_(JoinAddress(f.act, banks)),
        step_(JoinAddress(f.act_step, banks)),
        row_step_(JoinAddress(f.act_row_step, banks)),
        row_words_(f.row_words) {}
  int64_t word() const { return word_; }
  void Next() {
    const bool row_ends = ++done_ == row_words_;
    word_ += row_ends ? row_step_ : step_;
    if (row_ends) done_ = 0;
  }

 private:
  int64_t word_ = 0, step_ = 0, row_step_ = 0, row_words_ = 0, done_ = 0;
};

// An engine of LOAD.
class TimedLoad final : public ReadClient {
 public:
  explicit TimedLoad(BankPorts* banks) : banks_(*banks) {}
  bool Ready() const { return !active_; }
  void Start(const LoadFields& fields);
  bool Cycle();  // true in the cycle in which it ends

  std::optional<Burst> Ask() override;
  void Beat() override { ++arriving_[0]; }

 private:
  BankPorts& banks_;
  bool active_ = false;
  BurstWalk walk_;
  WordWalk words_;
  int64_t wait_ = 0;                   // cycles until the first burst
  std::array<int64_t, 5> arriving_{};  // words on their way through the buffer
  int64_t buffered_ = 0;               // words that are here
  int64_t under_way_ = 0;              // words asked for that are not written
  int64_t left_ = 0;                   // words to write
  int64_t tail_ = 0;
};

class TimedStore {
 public:
  TimedStore(WritePort* port, BankPorts* banks) : port_(*port), banks_(*banks) {}
  bool Ready() const { return !active_; }
  void Start(const StoreFields& fields);
  bool Cycle();

 private:
  WritePort& port_;
  BankPorts& banks_;
  bool active_ = false;
  BurstWalk walk_;
  WordWalk words_;
  int64_t wait_ = 0, read_ = 0, left_ = 0, tail_ = 0;
};

// An engine of VEC: a word read and a word written a cycle.
class TimedVec {
 public:
  explicit TimedVec(BankPorts* banks) : banks_(*banks) {}
  bool Ready() const { return !active_; }
  void Start(const VecFields& fields);
  void Read();   // the first half of a cycle; LOAD and STORE come between
  bool Cycle();  // the second

 private:
  struct Tap {
    int64_t word, y, x;
  };
  struct Write {
    int64_t ready_at;
    int64_t word;
  };
  int64_t Word(Address address) const { return JoinAddress(address, banks_.banks()); }
  void NextOutput();

  BankPorts& banks_;
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

// Port B of the activation memory, for the timing model: each bank serves one client a cycle, the first that asks.
#pragma once

#include <cstdint>

namespace msq::hw {

// Clients are to ask in the order of their priority (msq_act_mem): writes of the drain, reads of VEC, writes of LOAD,
// reads of STORE, writes of VEC.
class BankPorts {
 public:
  explicit BankPorts(int banks) : banks_(banks) {}

  void BeginCycle() { taken_ = 0; }
  // Whether the word's bank was free. It is taken now.
  bool Take(int64_t word) {
    const int64_t bank = word % banks_;
    const uint32_t bit = uint32_t{1} << (bank < 0 ? bank + banks_ : bank);
    const bool free = (taken_ & bit) == 0;
    taken_ |= bit;
    return free;
  }
  int banks() const { return banks_; }

 private:
  const int banks_;
  uint32_t taken_ = 0;
};

}  // namespace msq::hw

// The smallest program whose work can be seen: LOAD some words, STORE them elsewhere, END.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "hw/regs/isa.h"

namespace msq::hw::testing {

inline constexpr int64_t kCopyProgramBytes = 3 * kInstructionBytes;

// Copies `words` words of 64 bits from address `from` to address `to`. The field that does not fit is a bug of the test:
// then the program is empty.
inline std::vector<std::byte> CopyProgram(uint64_t from, uint64_t to, int64_t words) {
  LoadFields load;
  load.dram = static_cast<int64_t>(from);
  load.rows = 1;
  load.row_words = words;
  load.act_step = {.row = 0, .bank = 1};
  StoreFields store;
  store.wait_load = 1;
  store.dram = static_cast<int64_t>(to);
  store.rows = 1;
  store.row_words = words;
  store.act_step = load.act_step;
  Instruction instructions[3];
  if (!Encode(load, &instructions[0]).empty() || !Encode(store, &instructions[1]).empty() ||
      !Encode(EndFields(), &instructions[2]).empty()) {
    return {};
  }
  std::vector<std::byte> bytes(sizeof(instructions));
  std::memcpy(bytes.data(), instructions, sizeof(instructions));
  return bytes;
}

}  // namespace msq::hw::testing

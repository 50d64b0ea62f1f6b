// An accelerator that fails on purpose: what a driver, a server and its failover are tested with.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hw/sim/machine.h"

namespace msq::hw {

enum class FaultKind : uint8_t {
  kHang,          // the program never ends: ctrl.ap_start and status.busy stay 1, until the next start
  kSlverr,        // every access to DRAM is answered SLVERR while the program runs
  kFlip,          // the program ends well, but bit 0 of the last thing that it stored is wrong
  kWrongId,       // the register id
  kWrongBuildId,  // the register build_id
  kSlow,          // time passes `factor` times as slowly, but in register accesses
};

struct Fault {
  FaultKind kind = FaultKind::kHang;
  int64_t start = 0;       // which start of a program it strikes, from 1; 0 for those that always are
  bool and_later = false;  // it strikes those after that one, too
  uint64_t factor = 1;

  bool Strikes(int64_t number) const { return number == start || (and_later && number > start); }
};

// Faults separated by ';': hang@N, slverr@N, flip@N for the Nth start, @N+ for that and all later ones; wrong_id;
// wrong_build_id; slow=FACTOR. "" is none. INVALID_ARGUMENT names the one that is not understood.
absl::StatusOr<std::vector<Fault>> ParseFaults(std::string_view text);

// The same machine without faults.
std::unique_ptr<Machine> AddFaults(std::unique_ptr<Machine> machine, std::vector<Fault> faults);

}  // namespace msq::hw

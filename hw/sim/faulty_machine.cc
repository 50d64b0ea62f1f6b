#include "hw/sim/faulty_machine.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "hw/regs/isa.h"
#include "hw/regs/registers.h"

namespace msq::hw {
namespace {

constexpr char kSpellings[] =
    "hang@N, slverr@N, flip@N (N from 1; N+ for that start and all later ones), wrong_id, "
    "wrong_build_id or slow=FACTOR";

std::optional<Fault> ParseFault(std::string_view text) {
  Fault fault;
  const auto take = [&text](std::string_view prefix) {
    const bool is = text.starts_with(prefix);
    if (is) text.remove_prefix(prefix.size());
    return is;
  };
  if (text == "wrong_id") return Fault{.kind = FaultKind::kWrongId};
  if (text == "wrong_build_id") return Fault{.kind = FaultKind::kWrongBuildId};
  if (take("slow=")) {
    fault.kind = FaultKind::kSlow;
    if (!absl::SimpleAtoi(std::string(text), &fault.factor) || fault.factor == 0) return std::nullopt;
    return fault;
  }
  if (take("hang@")) {
    fault.kind = FaultKind::kHang;
  } else if (take("slverr@")) {
    fault.kind = FaultKind::kSlverr;
  } else if (take("flip@")) {
    fault.kind = FaultKind::kFlip;
  } else {
    return std::nullopt;
  }
  fault.and_later = text.ends_with('+');
  if (fault.and_later) text.remove_suffix(1);
  if (!absl::SimpleAtoi(std::string(text), &fault.start) || fault.start < 1) return std::nullopt;
  return fault;
}

class FaultyMachine final : public Machine {
 public:
  FaultyMachine(std::unique_ptr<Machine> machine, std::vector<Fault> faults)
      : machine_(std::move(machine)), faults_(std::move(faults)) {
    for (const Fault& fault : faults_) {
      if (fault.kind == FaultKind::kSlow) slowness_ = fault.factor;
    }
  }

  uint32_t ReadRegister(uint32_t address) override {
    const uint32_t value = machine_->ReadRegister(address);
    FlipWhenEnded();
    if (address == kIdRegister && Has(FaultKind::kWrongId)) return value ^ 1;
    if (address == kBuildIdRegister && Has(FaultKind::kWrongBuildId)) return value ^ 1;
    if (hangs_ && address == kCtrlRegister) return kCtrlApStart.mask();
    if (hangs_ && address == kStatusRegister) return kStatusBusy.mask();
    return value;
  }

  void WriteRegister(uint32_t address, uint32_t value) override {
    if (address != kCtrlRegister || kCtrlApStart.Of(value) == 0) {
      machine_->WriteRegister(address, value);
      FlipWhenEnded();
      return;
    }
    ++starts_;
    hangs_ = Strikes(FaultKind::kHang);
    machine_->ClearErrors();
    if (Strikes(FaultKind::kSlverr)) machine_->InjectErrors(dram_base(), dram_base() + dram().size());
    will_flip_ = Strikes(FaultKind::kFlip);
    if (!hangs_) machine_->WriteRegister(address, value);
  }

  bool interrupt() const override { return machine_->interrupt(); }

  uint64_t Advance(uint64_t cycles) override {
    if (hangs_) {
      waited_ += cycles;
      return cycles;
    }
    const uint64_t due = owed_ + cycles;
    const uint64_t passed = machine_->Advance(due / slowness_);
    // Cut short by the interrupt, no time is left over.
    const bool all = passed == due / slowness_;
    owed_ = all ? due % slowness_ : 0;
    FlipWhenEnded();
    const uint64_t outside = all ? cycles : std::min(cycles, passed * slowness_);
    waited_ += outside - std::min(outside, passed);
    return outside;
  }

  uint64_t cycle() const override { return machine_->cycle() + waited_; }
  const Completions& completed() const override { return machine_->completed(); }
  uint64_t dram_base() const override { return machine_->dram_base(); }
  std::span<std::byte> dram() override { return machine_->dram(); }
  void InjectErrors(uint64_t begin, uint64_t end) override { machine_->InjectErrors(begin, end); }
  void ClearErrors() override { machine_->ClearErrors(); }

 private:
  bool Has(FaultKind kind) const {
    return std::any_of(faults_.begin(), faults_.end(), [kind](const Fault& fault) { return fault.kind == kind; });
  }
  bool Strikes(FaultKind kind) const {
    return std::any_of(faults_.begin(), faults_.end(),
                       [&](const Fault& fault) { return fault.kind == kind && fault.Strikes(starts_); });
  }

  void FlipWhenEnded() {
    if (!will_flip_ || kStatusBusy.Of(machine_->ReadRegister(kStatusRegister)) != 0) return;
    will_flip_ = false;
    const auto stored = LastStore();
    if (stored) dram()[static_cast<size_t>(*stored)] ^= std::byte{1};
  }

  // The offset in dram() at which the program's last STORE begins.
  std::optional<uint64_t> LastStore() {
    const uint64_t low = machine_->ReadRegister(kProgAddrLoRegister);
    const uint64_t program = low | uint64_t{machine_->ReadRegister(kProgAddrHiRegister)} << 32;
    std::optional<uint64_t> last;
    Instruction instruction = {};
    for (uint64_t at = program - dram_base(); at + kInstructionBytes <= dram().size(); at += kInstructionBytes) {
      std::memcpy(instruction.data(), &dram()[static_cast<size_t>(at)], kInstructionBytes);
      StoreFields store;
      EndFields end;
      if (Decode(instruction, &end)) break;
      if (Decode(instruction, &store)) last = static_cast<uint64_t>(store.dram) - dram_base();
    }
    return last;
  }

  const std::unique_ptr<Machine> machine_;
  const std::vector<Fault> faults_;
  int64_t starts_ = 0;
  bool hangs_ = false;
  bool will_flip_ = false;
  uint64_t slowness_ = 1;
  uint64_t owed_ = 0;    // of a slow machine: cycles outside that make no whole one inside
  uint64_t waited_ = 0;  // cycles that passed outside only
};

}  // namespace

absl::StatusOr<std::vector<Fault>> ParseFaults(std::string_view text) {
  std::vector<Fault> faults;
  for (const auto part : absl::StrSplit(std::string(text), ';', absl::SkipEmpty())) {
    const std::string spelling(part);
    const std::optional<Fault> fault = ParseFault(spelling);
    if (!fault) return InvalidArgument("fault \"", spelling, "\" is not one of ", kSpellings);
    faults.push_back(*fault);
  }
  return faults;
}

std::unique_ptr<Machine> AddFaults(std::unique_ptr<Machine> machine, std::vector<Fault> faults) {
  if (faults.empty()) return machine;
  return std::make_unique<FaultyMachine>(std::move(machine), std::move(faults));
}

}  // namespace msq::hw

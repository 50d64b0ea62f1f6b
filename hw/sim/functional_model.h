// The instruction set as software: executes a program exactly, one whole instruction after the other, without time.
// The oracle for the RTL and for the lowering. What an instruction does is docs/hw/programmers_guide.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/regs/registers.h"
#include "hw/sim/conv_lanes.h"
#include "hw/sim/conv_passes.h"
#include "hw/sim/conv_windows.h"
#include "hw/sim/model_checks.h"
#include "hw/sim/undefined_uses.h"

namespace msq::hw {

// How a program ended. `instruction` and `detail` say more about an error.
struct ProgramEnd {
  ErrorCode error = ErrorCode::kNone;
  int64_t instruction = 0;  // index in the program
  std::string detail;

  bool ok() const { return error == ErrorCode::kNone; }
};

// The memory that a program sees: `bytes` begin at address `base`. Anything outside is dram_range.
struct DramWindow {
  std::span<std::byte> bytes;
  uint64_t base = 0;
};

// Stricter than the hardware, which trusts what it cannot check cheaply (programmer's guide, Errors): fields that
// contradict each other or the weight buffer's tiles are illegal_instruction, and what would wait for ever (a wait that
// nothing fulfils, weights that never come, a tile that the buffer cannot hold) is watchdog. With ModelChecks::kAll an
// instruction that does what the guide leaves undefined, where model and hardware may differ, is illegal_instruction, too.
class FunctionalModel {
 public:
  explicit FunctionalModel(const Configuration& configuration, ModelChecks checks = ModelChecks::kCheap);

  // Runs the program at address `program` to its END or first error. Without `order_seed` in program order; with it in
  // an order drawn from those that the waits allow, of instructions of one unit, too, as far as it has engines, so that
  // a wait that is missing shows as a wrong result. Activation memory is kept from run to run. With `only_first` the
  // program is over after so many instructions.
  ProgramEnd Run(DramWindow dram, uint64_t program, std::optional<uint64_t> order_seed = std::nullopt,
                 std::optional<int64_t> only_first = std::nullopt);

  // Word a of the activation memory.
  std::span<uint64_t> words() { return words_; }

 private:
  struct Entry {
    int64_t index;
    AnyFields fields;
  };
  // Some of a CONV's pixels beside each other: of some groups that a kernel takes at once.
  static constexpr size_t kManyPixels = 8 * kKernelPixels;
  struct Pixels {
    int64_t tile, pixel;
    size_t count;  // at most kManyPixels
  };

  std::vector<Entry> Fetch(uint64_t program, std::optional<int64_t> only_first);
  void RunInOrder(const std::vector<Entry>& entries);
  void RunInDrawnOrder(const std::vector<Entry>& entries, uint64_t seed);
  bool WaitsAreMet(const Entry& entry) const;
  void ExecuteEntry(const Entry& entry);

  void Execute(const EndFields&) {}
  void Execute(const WeightsFields& f);
  void Execute(const LoadFields& f);
  void Execute(const StoreFields& f);
  void Execute(const ConvFields& f);
  void Execute(const VecFields& f);
  template <typename Fields, typename Move>
  void MoveRows(const Fields& f, const Move& move);  // of LOAD or STORE
  std::string_view Contradiction(const ConvFields& f) const;
  // With all checks; `of` is the instruction, of a CONV the tiles, too.
  template <typename... Of>
  void CheckUses(const Of&... of) {
    if (!undefined_uses_) return;
    std::string found = undefined_uses_->Find(of...);
    if (!found.empty()) Fail(ErrorCode::kIllegalInstruction, std::move(found));
  }
  void CheckShifts(const ConvFields& f, int64_t tile);
  void ComputePixels(const ConvFields& f, std::span<const ConvPass> passes, const Pixels& at);
  void WriteSums(const ConvFields& f, const Pixels& at, const int32_t* acc);
  void WriteCodes(const ConvFields& f, const Pixels& at, const int32_t* acc);
  // Words of 16 lanes of such pixels: [lanes / 16][pixel].
  using PlaneOfPixels = std::array<uint64_t, kManyPixels * kMaxLanes / kLaneBlock>;
  // Where they are: the first one, and how far it is to the next pixel and to the next 16 channels.
  struct Words {
    int64_t first, pixel, group;
  };
  void ReadBlocks(const ConvFields& f, const Pixels& at, const Words& words, PlaneOfPixels* to);
  void WriteBlocks(const ConvFields& f, const Pixels& at, const Words& words, const PlaneOfPixels& from);
  void WriteHalf(int64_t word, int64_t half, uint32_t value);

  bool ok() const { return end_.error == ErrorCode::kNone; }
  void Fail(ErrorCode error, std::string detail);
  bool DramHas(uint64_t address, uint64_t bytes);
  uint64_t DramWord(uint64_t address) const;
  int64_t Word(Address address) const { return JoinAddress(address, configuration_.banks); }
  bool Has(int64_t word) const { return static_cast<uint64_t>(word) < words_.size(); }
  uint64_t ReadWord(int64_t word) {
    if (Has(word)) return words_[static_cast<size_t>(word)];
    FailAtWord("reads", word);
    return 0;
  }
  void WriteWord(int64_t word, uint64_t value) {
    if (!Has(word)) return FailAtWord("writes", word);
    words_[static_cast<size_t>(word)] = value;
  }
  void FailAtWord(std::string_view what, int64_t word);

  const Configuration configuration_;
  std::vector<uint64_t> words_;
  DramWindow dram_;
  std::deque<WeightTile> tiles_;
  std::vector<std::vector<uint64_t>> spare_beats_;  // of tiles that are done, for their memory
  ConvWindows windows_;
  ConvLanes lanes_;
  std::vector<int64_t> completed_;  // instructions of each opcode, with all those before them
  int64_t current_ = 0;
  ProgramEnd end_;
  std::optional<UndefinedUses> undefined_uses_;  // with ModelChecks::kAll
};

}  // namespace msq::hw

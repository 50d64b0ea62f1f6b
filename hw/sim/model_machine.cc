// The accelerator as registers over the functional model, which gives the bits, and the timing model, which says when.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "hw/regs/isa.h"
#include "hw/regs/registers.h"
#include "hw/sim/functional_model.h"
#include "hw/sim/machine.h"
#include "hw/sim/tile_engines.h"
#include "hw/sim/timing_model.h"
#include "hw/sim/timing_ports.h"

namespace msq::hw {
namespace {

constexpr uint64_t kAccessCycles = 4;      // of a register
constexpr uint64_t kMisalignedCycles = 8;  // of a program that is not aligned
constexpr size_t kMaxTimes = 64;           // of programs that are remembered
constexpr uint64_t kNever = ~uint64_t{0};

struct AddressRange {
  uint64_t begin, end;
  bool Meets(const AddressRange& other) const { return begin < other.end && other.begin < end; }
  bool Contains(const AddressRange& other) const { return begin <= other.begin && other.end <= end; }
};

// How a program ends, and where, if it does not come to its END.
struct Outcome {
  ErrorCode error = ErrorCode::kNone;
  std::optional<ProgramStop> stop;
};

// The instructions from `program` to END, as far as they lie in DRAM and are instructions.
std::vector<AnyFields> Decode(std::span<const std::byte> dram, uint64_t base, uint64_t program) {
  std::vector<AnyFields> instructions;
  for (uint64_t at = program; at >= base && at - base + kInstructionBytes <= dram.size(); at += kInstructionBytes) {
    Instruction instruction;
    std::memcpy(instruction.data(), dram.data() + (at - base), kInstructionBytes);
    const auto fields = DecodeAny(instruction);
    if (!fields) break;
    instructions.push_back(*fields);
    if (std::holds_alternative<EndFields>(*fields)) break;
  }
  return instructions;
}

AddressRange PlaceOf(uint64_t program, int64_t instruction) {
  const uint64_t begin = program + kInstructionBytes * static_cast<uint64_t>(instruction);
  return {begin, begin + kInstructionBytes};
}

// What an instruction reads and writes in DRAM.
std::vector<AddressRange> DramRanges(const AnyFields& fields, const Configuration& configuration) {
  std::vector<AddressRange> ranges;
  if (const auto* weights = std::get_if<WeightsFields>(&fields)) {
    const auto lanes = static_cast<uint64_t>(configuration.lanes() / configuration.ports);
    const uint64_t row = weights->diagonal ? lanes / 16 : lanes;
    const uint64_t beats =
        static_cast<uint64_t>(weights->param_rows) * lanes + static_cast<uint64_t>(weights->weight_rows) * row;
    for (int port = 0; port < configuration.ports; ++port) {
      const auto begin = static_cast<uint64_t>(weights->dram + port * weights->port_stride);
      const uint64_t bytes = 8 * beats * static_cast<uint64_t>(weights->tiles);
      ranges.push_back({begin, begin + (bytes + kBurstBytes - 1) / kBurstBytes * kBurstBytes});
    }
  }
  const auto add_rows = [&ranges](const auto& f) {
    for (int64_t row = 0; row < f.rows; ++row) {
      const auto begin = static_cast<uint64_t>(f.dram + row * f.dram_row_stride);
      ranges.push_back({begin, begin + 8 * static_cast<uint64_t>(f.row_words)});
    }
  };
  if (const auto* load = std::get_if<LoadFields>(&fields)) add_rows(*load);
  if (const auto* store = std::get_if<StoreFields>(&fields)) add_rows(*store);
  return ranges;
}

class ModelMachine final : public Machine {
 public:
  ModelMachine(const Configuration& configuration, const AxiMemoryOptions& memory, ModelChecks checks)
      : configuration_(configuration),
        memory_(memory),
        dram_(memory.bytes),
        model_(configuration, checks),
        counters_(kCounterNames.size()) {}

  uint32_t ReadRegister(uint32_t address) override;
  void WriteRegister(uint32_t address, uint32_t value) override;
  bool interrupt() const override { return (registers_[kGieRegister / 4] & 1) != 0 && isr_ != 0; }
  uint64_t Advance(uint64_t cycles) override { return interrupt() ? 0 : Pass(cycles); }
  uint64_t cycle() const override { return cycle_; }
  const Completions& completed() const override { return completed_; }
  uint64_t dram_base() const override { return memory_.base; }
  std::span<std::byte> dram() override { return dram_; }
  void InjectErrors(uint64_t begin, uint64_t end) override { errors_.push_back({begin, end}); }
  void ClearErrors() override { errors_.clear(); }

 private:
  uint32_t& Register(uint32_t address) { return registers_[address / 4]; }
  uint64_t Wide(uint32_t lower) const { return uint64_t{registers_[lower / 4 + 1]} << 32 | registers_[lower / 4]; }
  uint32_t ReadConstant(uint32_t address) const;
  uint32_t ReadCounter(uint32_t address);
  uint64_t& CounterOf(Counter counter) { return counters_[static_cast<size_t>(counter)]; }

  // Lets time pass, until the interrupt comes at most.
  uint64_t Pass(uint64_t cycles);
  void Start();
  void End();
  AddressRange Window() const;
  Outcome Execute(uint64_t program, const std::vector<AnyFields>& instructions);
  Outcome OutcomeOf(const ProgramEnd& end, uint64_t program, const std::vector<AnyFields>& instructions) const;
  std::optional<ProgramStop> FirstInjected(uint64_t program, const std::vector<AnyFields>& instructions) const;
  ProgramTime TimeOf(const TimedProgram& program);
  void TakeCounters(const std::vector<AnyFields>& instructions, const ProgramTime& time);
  void CountBusy(const std::vector<AnyFields>& instructions, const ProgramTime& time);

  const Configuration configuration_;
  const AxiMemoryOptions memory_;
  std::vector<std::byte> dram_;
  FunctionalModel model_;
  std::vector<AddressRange> errors_;
  std::array<uint32_t, kRegisterBytes / 4> registers_{};  // those that hold what was written
  uint32_t isr_ = 0;
  bool running_ = false, done_ = false;
  uint64_t cycle_ = 0, started_at_ = 0, ends_at_ = kNever;
  ErrorCode error_ = ErrorCode::kNone, next_error_ = ErrorCode::kNone;
  uint32_t error_index_ = 0, next_error_index_ = 0;
  std::vector<uint64_t> counters_;
  uint32_t counter_high_ = 0;
  Completions completed_;
  std::map<std::string, ProgramTime> times_;  // by the program's bytes
};

uint32_t ModelMachine::ReadConstant(uint32_t address) const {
  const Configuration& c = configuration_;
  const auto place = [](RegisterBits bits, int value) {
    return static_cast<uint32_t>(value) << bits.lsb & bits.mask();
  };
  switch (address) {
    case kIdRegister:
      return kIdValue;
    case kIsaVersionRegister:
      return kIsaVersion;
    case kBuildIdRegister:
      return c.build_id;
    case kConfigArrayRegister:
      return place(kConfigArrayPixels, c.p) | place(kConfigArrayDspLanes, c.f) | place(kConfigArrayLutLanes, c.s) |
             place(kConfigArrayDrain, c.q);
    case kConfigMemoryRegister:
      return place(kConfigMemoryBanks, c.banks) | place(kConfigMemoryPorts, c.ports) |
             place(kConfigMemoryWdepthLog2, std::countr_zero(static_cast<unsigned>(c.wdepth))) |
             place(kConfigMemoryLoads, c.loads) | place(kConfigMemoryVecs, c.vecs);
    case kConfigDepthRegister:
      return static_cast<uint32_t>(c.depth);
    default:
      return registers_[address / 4];
  }
}

// While a program runs only `cycles` moves; the others are there at its end.
uint32_t ModelMachine::ReadCounter(uint32_t address) {
  if (address % 8 != 0) return counter_high_;
  const size_t number = (address - kCounterBase) / 8;
  uint64_t value = number < counters_.size() && !running_ ? counters_[number] : 0;
  if (running_ && number == static_cast<size_t>(Counter::kCycles)) value = cycle_ - started_at_;
  counter_high_ = static_cast<uint32_t>(value >> 32);
  return static_cast<uint32_t>(value);
}

uint32_t ModelMachine::ReadRegister(uint32_t address) {
  Pass(kAccessCycles);
  address &= kRegisterBytes - 4;
  if (address >= kCounterBase && address < kCounterBase + 128) return ReadCounter(address);
  switch (address) {
    case kCtrlRegister: {
      const uint32_t done = std::exchange(done_, false) ? kCtrlApDone.mask() | kCtrlApReady.mask() : 0;
      return done | (running_ ? kCtrlApStart.mask() : kCtrlApIdle.mask()) | Register(kCtrlRegister);
    }
    case kIsrRegister:
      return isr_;
    case kStatusRegister:
      return static_cast<uint32_t>(error_) | (running_ ? kStatusBusy.mask() : 0);
    case kErrorIndexRegister:
      return error_index_;
    default:
      return ReadConstant(address);
  }
}

void ModelMachine::WriteRegister(uint32_t address, uint32_t value) {
  static const std::map<uint32_t, uint32_t> holding_bits = {{kCtrlRegister, kCtrlAutoRestart.mask()},
                                                            {kGieRegister, 1},
                                                            {kIerRegister, 3},
                                                            {kProgAddrLoRegister, ~0u},
                                                            {kProgAddrHiRegister, 0xffff},
                                                            {kDramBaseLoRegister, ~0u},
                                                            {kDramBaseHiRegister, 0xffff},
                                                            {kDramSizeLoRegister, ~0u},
                                                            {kDramSizeHiRegister, 0xffff},
                                                            {kWatchdogRegister, ~0u}};
  Pass(kAccessCycles);
  address &= kRegisterBytes - 4;
  if (address == kIsrRegister) isr_ ^= value & 3;
  const auto holding = holding_bits.find(address);
  if (holding != holding_bits.end()) Register(address) = value & holding->second;
  if (address == kCtrlRegister && (value & kCtrlApStart.mask()) != 0 && !running_) Start();
}

uint64_t ModelMachine::Pass(uint64_t cycles) {
  const uint64_t begin = cycle_, end = cycle_ + cycles;
  while (running_ && ends_at_ <= end) {
    const bool was_interrupt = interrupt();
    cycle_ = ends_at_;
    End();
    if (interrupt() && !was_interrupt) return cycle_ - begin;
  }
  cycle_ = end;
  return cycles;
}

void ModelMachine::Start() {
  running_ = true;
  error_ = ErrorCode::kNone;
  error_index_ = 0;
  started_at_ = cycle_;
  std::fill(counters_.begin(), counters_.end(), 0);
  completed_ = {};
  next_error_index_ = 0;
  const uint64_t program = Wide(kProgAddrLoRegister);
  if (program % kInstructionBytes != 0) {
    next_error_ = ErrorCode::kIllegalInstruction;
    ends_at_ = cycle_ + kMisalignedCycles;
    return;
  }
  TimedProgram timed{.instructions = Decode(dram_, memory_.base, program),
                     .address = program,
                     .watchdog = static_cast<int64_t>(Register(kWatchdogRegister))};
  const Outcome outcome = Execute(program, timed.instructions);
  timed.stop = outcome.stop;
  if (timed.stop) {  // nobody has looked at what stands behind it
    const auto known = static_cast<size_t>(timed.stop->instruction) + 1;
    timed.instructions.resize(std::min(timed.instructions.size(), known));
    if (outcome.error == ErrorCode::kWatchdog) timed.stop.reset();
  }
  const ProgramTime time = TimeOf(timed);
  next_error_ = time.stuck ? ErrorCode::kWatchdog : outcome.error;
  next_error_index_ = static_cast<uint32_t>(time.newest);
  ends_at_ = time.stuck && timed.watchdog == 0 ? kNever : cycle_ + static_cast<uint64_t>(time.cycles);
  TakeCounters(timed.instructions, time);
}

void ModelMachine::TakeCounters(const std::vector<AnyFields>& instructions, const ProgramTime& time) {
  CounterOf(Counter::kSteps) = static_cast<uint64_t>(time.steps);
  CounterOf(Counter::kStallWeights) = static_cast<uint64_t>(time.stall_weights);
  CounterOf(Counter::kStallDrain) = static_cast<uint64_t>(time.stall_drain);
  CounterOf(Counter::kStallBank) = static_cast<uint64_t>(time.stall_bank);
  CounterOf(Counter::kReadBeats) = static_cast<uint64_t>(time.read_beats);
  CounterOf(Counter::kWriteBeats) = static_cast<uint64_t>(time.write_beats);
  for (size_t unit = 0; unit < time.completed.size(); ++unit) {
    counters_[static_cast<size_t>(Counter::kDoneWeights) + unit] = time.completed[unit].size();
  }
  completed_ = time.completed;
  CountBusy(instructions, time);
}

void ModelMachine::End() {
  running_ = false;
  done_ = true;
  error_ = next_error_;
  error_index_ = next_error_ == ErrorCode::kNone ? 0 : next_error_index_;
  CounterOf(Counter::kCycles) = ends_at_ - started_at_;
  ends_at_ = kNever;
  isr_ |= Register(kIerRegister);
  if ((Register(kCtrlRegister) & kCtrlAutoRestart.mask()) != 0) Start();
}

AddressRange ModelMachine::Window() const {
  const uint64_t base = Wide(kDramBaseLoRegister);
  return {base, base + Wide(kDramSizeLoRegister)};
}

std::optional<ProgramStop> ModelMachine::FirstInjected(uint64_t program,
                                                       const std::vector<AnyFields>& instructions) const {
  const auto is_answered = [this](const AddressRange& range) {
    return std::any_of(errors_.begin(), errors_.end(), [&](const AddressRange& error) { return range.Meets(error); });
  };
  for (int64_t i = 0; !errors_.empty() && i < std::ssize(instructions); ++i) {
    if (is_answered(PlaceOf(program, i))) return ProgramStop{i, ProgramStop::When::kFetched};
    const auto ranges = DramRanges(instructions[static_cast<size_t>(i)], configuration_);
    if (std::any_of(ranges.begin(), ranges.end(), is_answered)) return ProgramStop{i, ProgramStop::When::kBegun};
  }
  return std::nullopt;
}

Outcome ModelMachine::Execute(uint64_t program, const std::vector<AnyFields>& instructions) {
  const std::optional<ProgramStop> injected = FirstInjected(program, instructions);
  // The functional model knows the part of the window that there is memory for.
  const AddressRange window = Window();
  const uint64_t begin = std::clamp(window.begin, memory_.base, memory_.base + dram_.size());
  const uint64_t end = std::clamp(window.end, begin, memory_.base + dram_.size());
  const std::span bytes = std::span(dram_).subspan(begin - memory_.base, end - begin);
  const std::optional<int64_t> only_first = injected ? std::optional(injected->instruction) : std::nullopt;
  const ProgramEnd ended = model_.Run({bytes, begin}, program, std::nullopt, only_first);
  if (ended.ok() && injected) return {ErrorCode::kAxiError, injected};
  return OutcomeOf(ended, program, instructions);
}

Outcome ModelMachine::OutcomeOf(const ProgramEnd& end, uint64_t program,
                                const std::vector<AnyFields>& instructions) const {
  if (end.ok()) return {};
  const AddressRange window = Window(), place = PlaceOf(program, end.instruction);
  const bool is_read = window.Contains(place) && end.instruction < std::ssize(instructions);
  Outcome outcome{end.error, ProgramStop{end.instruction, ProgramStop::When::kBegun}};
  if (!is_read) {
    const bool is_none = end.error == ErrorCode::kIllegalInstruction;
    outcome.stop->when = is_none ? ProgramStop::When::kHandedOut : ProgramStop::When::kFetched;
  }
  if (end.error != ErrorCode::kDramRange) return outcome;
  // In the window, and yet no memory: the bus answers with an error.
  std::vector<AddressRange> ranges = {place};
  if (is_read) ranges = DramRanges(instructions[static_cast<size_t>(end.instruction)], configuration_);
  const bool is_inside =
      std::all_of(ranges.begin(), ranges.end(), [&](const AddressRange& range) { return window.Contains(range); });
  if (is_inside) outcome.error = ErrorCode::kAxiError;
  return outcome;
}

// A program that ended well is remembered with what it took.
ProgramTime ModelMachine::TimeOf(const TimedProgram& program) {
  if (program.stop) return TimeProgram(configuration_, memory_, program);
  const size_t first = program.address - memory_.base;
  const size_t bytes = std::min(kInstructionBytes * program.instructions.size(), dram_.size() - first);
  std::string key(reinterpret_cast<const char*>(dram_.data() + first), bytes);
  key += std::to_string(program.address) + ' ' + std::to_string(program.watchdog);
  if (const auto found = times_.find(key); found != times_.end()) return found->second;
  if (times_.size() >= kMaxTimes) times_.clear();
  return times_.emplace(std::move(key), TimeProgram(configuration_, memory_, program)).first->second;
}

// A tile's steps count for an engine that has something to do with it.
void ModelMachine::CountBusy(const std::vector<AnyFields>& instructions, const ProgramTime& time) {
  const std::vector<TileEngines> engines = EnginesOfTiles(configuration_, instructions, dram_, memory_.base);
  for (size_t tile = 0; tile < std::min(engines.size(), time.tile_steps.size()); ++tile) {
    const auto steps = static_cast<uint64_t>(time.tile_steps[tile]);
    if (engines[tile].dsp) CounterOf(Counter::kDspBusy) += steps;
    if (engines[tile].lut) CounterOf(Counter::kLutBusy) += steps;
  }
}

}  // namespace

std::unique_ptr<Machine> CreateModelMachine(const Configuration& configuration, const AxiMemoryOptions& memory,
                                            ModelChecks checks) {
  return std::make_unique<ModelMachine>(configuration, memory, checks);
}

}  // namespace msq::hw

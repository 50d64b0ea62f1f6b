#include "hw/sim/timing_model.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>
#include <variant>

#include "hw/sim/timing_conv.h"
#include "hw/sim/timing_move.h"
#include "hw/sim/timing_ports.h"
#include "hw/sim/timing_weights.h"

namespace msq::hw {
namespace {

constexpr int64_t kFirstFetch = 4;     // from the start to the first burst
constexpr int64_t kHandOut = 17;       // cycles that an instruction is handed out in
constexpr int64_t kTurns = 4;          // the waits of LOAD, STORE, CONV and VEC are looked at in turn
constexpr int64_t kFirstTurn = 1;      // LOAD's first cycle of these
constexpr int64_t kEndIdle = 8;        // from the last unit's end to the program's
constexpr int64_t kForGood = 1 << 17;  // cycles without progress after which there will be none
constexpr int64_t kAbort = 6;          // from an error to the end, beside what is under way

// Reads instructions, one ahead of the one that is handed out.
class Fetch final : public ReadClient {
 public:
  Fetch(size_t count, uint64_t address) : count_(count), address_(address) {}
  std::optional<Burst> Ask() override {
    if (asked_ >= count_ || asked_ > handed_out_ + 1) return std::nullopt;
    return Burst{address_ + kBurstBytes * asked_++, kBurstBeats};
  }
  void Beat() override { ++beats_; }
  bool has_next() const { return Has(handed_out_); }
  bool Has(size_t i) const { return i < count_ && beats_ >= kBurstBeats * (i + 1); }
  size_t next() const { return handed_out_; }
  void HandOut() { ++handed_out_; }

 private:
  const size_t count_;
  const uint64_t address_;
  size_t asked_ = 0, beats_ = 0, handed_out_ = 0;
};

// Engines of a unit: instruction i goes to engine i mod N, and they complete in order.
template <typename Engine>
class Team {
 public:
  explicit Team(std::vector<Engine>* engines) : engines_(*engines), done_(engines_.size()) {}
  bool Ready() const { return engines_[next_].Ready() && !done_[next_]; }
  template <typename Fields>
  void Start(const Fields& fields) {
    engines_[next_].Start(fields);
    ++under_way_;
    next_ = (next_ + 1) % engines_.size();
  }
  bool idle() const { return under_way_ == 0; }
  int Cycle() {
    for (size_t i = 0; i < engines_.size(); ++i) {
      if (engines_[i].Cycle()) done_[i] = true;
    }
    if (!done_[oldest_]) return 0;
    done_[oldest_] = false;
    oldest_ = (oldest_ + 1) % engines_.size();
    --under_way_;
    return 1;
  }

 private:
  std::vector<Engine>& engines_;
  std::vector<bool> done_;
  size_t next_ = 0, oldest_ = 0;
  int under_way_ = 0;
};

Unit UnitOf(const AnyFields& fields) {
  return std::visit([](const auto& f) { return static_cast<Unit>(static_cast<int>(f.kOpcode) - 2); }, fields);
}

AxiMemoryOptions WithoutData(AxiMemoryOptions options, int ports) {
  options.ports = ports;
  options.bytes = 0;  // every access is answered with an error, in the same time
  return options;
}

class Accelerator {
 public:
  Accelerator(const Configuration& c, const AxiMemoryOptions& memory, const TimedProgram& program)
      : program_(program),
        instructions_(program.instructions),
        memory_(WithoutData(memory, c.ports)),
        fetch_(CountOf(program), program.address),
        weights_(c),
        banks_(c.banks),
        conv_(c, &weights_, &banks_),
        loads_(static_cast<size_t>(c.loads), TimedLoad(&banks_)),
        vecs_(static_cast<size_t>(c.vecs), TimedVec(&banks_)),
        write_port_(&memory_.port(0)),
        store_(&write_port_, &banks_),
        load_team_(&loads_),
        vec_team_(&vecs_) {
    for (int p = 0; p < c.ports; ++p) {
      ReadPort& port = read_ports_.emplace_back(&memory_.port(p));
      if (p == 0) port.Add(&fetch_);
      port.Add(weights_.port(p));
      if (const int load = c.ports - 1 - p; load < c.loads) port.Add(&loads_[static_cast<size_t>(load)]);
    }
  }

  ProgramTime Run() {
    const int64_t patience = program_.watchdog == 0 ? kForGood : program_.watchdog;
    while (!ended_ && !stopped_ && now_ - moved_at_ <= patience) Cycle();
    time_.stuck = !ended_ && !stopped_;
    time_.cycles = now_ + (ended_ ? 0 : kAbort) + (stopped_ ? memory_.options().latency_cycles : 0);
    time_.steps = conv_.counts().steps;
    time_.stall_weights = conv_.counts().stall_weights;
    time_.stall_drain = conv_.counts().stall_drain;
    time_.stall_bank = conv_.counts().stall_bank;
    time_.read_beats = static_cast<int64_t>(memory_.statistics().read_beats);
    time_.write_beats = static_cast<int64_t>(memory_.statistics().write_beats);
    time_.tile_steps = conv_.tile_steps();
    return std::move(time_);
  }

 private:
  // With the burst in which no instruction was found.
  static size_t CountOf(const TimedProgram& program) {
    const auto& instructions = program.instructions;
    const bool has_end = !instructions.empty() && std::holds_alternative<EndFields>(instructions.back());
    return instructions.size() + (has_end ? 0 : 1);
  }

  void Cycle() {
    ++now_;
    HandOut();
    StartUnits();
    CycleUnits();
    if (now_ > kFirstFetch) {
      for (ReadPort& port : read_ports_) port.Drive();
      write_port_.Drive();
    }
    memory_.Tick();
    if (now_ > kFirstFetch) {
      for (ReadPort& port : read_ports_) port.Take();
      write_port_.Take();
    }
    NoteProgress();
  }

  void NoteProgress() {
    const int64_t progress = conv_.counts().steps + static_cast<int64_t>(memory_.statistics().read_beats) + completed_;
    if (progress != progress_ || banks_.any_taken()) moved_at_ = now_;
    progress_ = progress;
    StopAt(ProgramStop::When::kFetched, [this](int64_t i) { return fetch_.Has(static_cast<size_t>(i)); });
  }

  template <typename Condition>
  void StopAt(ProgramStop::When when, const Condition& condition) {
    const std::optional<ProgramStop>& stop = program_.stop;
    if (stop && stop->when == when && condition(stop->instruction)) stopped_ = true;
  }

  void HandOut() {
    if (!fetch_.has_next()) return;
    const auto number = static_cast<int64_t>(fetch_.next());
    StopAt(ProgramStop::When::kHandedOut, [number](int64_t i) { return i == number; });
    if (stopped_) time_.newest = number;
    if (fetch_.next() >= instructions_.size()) return;
    const AnyFields& next = instructions_[fetch_.next()];
    if (std::holds_alternative<EndFields>(next)) {
      const bool slots_empty =
          std::none_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot.has_value(); });
      const bool idle =
          slots_empty && weights_.idle() && load_team_.idle() && store_.Ready() && conv_.idle() && vec_team_.idle();
      idle_ = idle ? idle_ + 1 : 0;
      ended_ = idle_ >= kEndIdle;
      return;
    }
    std::optional<size_t>& slot = slots_[static_cast<size_t>(UnitOf(next))];
    if (slot) return;  // holds up all behind it
    time_.newest = number;
    if (++handing_ < kHandOut) return;
    handing_ = 0;
    slot = fetch_.next();
    fetch_.HandOut();
  }

  bool WaitsAreMet(const AnyFields& fields) const {
    const auto reached = [this](Unit unit, int64_t wait) {
      return static_cast<int16_t>(std::ssize(time_.completed[static_cast<size_t>(unit)]) - wait) >= 0;
    };
    return std::visit(
        [&](const auto& f) {
          return reached(Unit::kLoad, f.wait_load) && reached(Unit::kStore, f.wait_store) &&
                 reached(Unit::kConv, f.wait_conv) && reached(Unit::kVec, f.wait_vec);
        },
        fields);
  }

  template <typename Fields, typename Engine>
  void TryStart(Unit unit, Engine* engine) {
    const auto u = static_cast<size_t>(unit);
    std::optional<size_t>& slot = slots_[u];
    if (!slot) return;
    const AnyFields& fields = instructions_[*slot];
    if ((unit == Unit::kWeights || may_start_[u]) && engine->Ready()) {
      StopAt(ProgramStop::When::kBegun, [&slot](int64_t i) { return i == static_cast<int64_t>(*slot); });
      if (stopped_) return;
      engine->Start(std::get<Fields>(fields));
      slot.reset();
      may_start_[u] = false;
    } else if (static_cast<size_t>((now_ - kFirstTurn) % kTurns) + 1 == u && WaitsAreMet(fields)) {
      may_start_[u] = true;
    }
  }

  void StartUnits() {
    TryStart<WeightsFields>(Unit::kWeights, &weights_);
    TryStart<LoadFields>(Unit::kLoad, &load_team_);
    TryStart<StoreFields>(Unit::kStore, &store_);
    TryStart<ConvFields>(Unit::kConv, &conv_);
    TryStart<VecFields>(Unit::kVec, &vec_team_);
  }

  void CycleUnits() {
    banks_.BeginCycle();
    Complete(Unit::kWeights, weights_.Cycle());
    Complete(Unit::kConv, conv_.Cycle() ? 1 : 0);
    for (TimedVec& vec : vecs_) vec.Read();
    Complete(Unit::kLoad, load_team_.Cycle());
    Complete(Unit::kStore, store_.Cycle() ? 1 : 0);
    Complete(Unit::kVec, vec_team_.Cycle());
  }

  void Complete(Unit unit, int count) {
    completed_ += count;
    for (; count > 0; --count) time_.completed[static_cast<size_t>(unit)].push_back(static_cast<uint64_t>(now_));
  }

  const TimedProgram& program_;
  const std::vector<AnyFields>& instructions_;
  AxiMemory memory_;
  Fetch fetch_;
  TimedWeights weights_;
  BankPorts banks_;
  TimedConv conv_;
  std::vector<TimedLoad> loads_;
  std::vector<TimedVec> vecs_;
  std::deque<ReadPort> read_ports_;
  WritePort write_port_;
  TimedStore store_;
  Team<TimedLoad> load_team_;
  Team<TimedVec> vec_team_;
  std::array<std::optional<size_t>, kUnits> slots_;  // instructions that wait for their units
  std::array<bool, kUnits> may_start_{};             // what these wait for was completed
  int64_t now_ = 0, handing_ = 0, idle_ = 0;
  int64_t completed_ = 0, progress_ = 0, moved_at_ = 0;
  bool ended_ = false, stopped_ = false;
  ProgramTime time_;
};

}  // namespace

ProgramTime TimeProgram(const Configuration& configuration, const AxiMemoryOptions& memory,
                        const TimedProgram& program) {
  return Accelerator(configuration, memory, program).Run();
}

}  // namespace msq::hw

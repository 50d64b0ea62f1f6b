#include "hw/sim/functional_model.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <utility>
#include <variant>

namespace msq::hw {
namespace {

constexpr uint64_t kBurstBytes = 128;

// Finds an address whose bank does not exist.
class BankCheck {
 public:
  explicit BankCheck(int banks) : banks_(banks) {}
  void operator()(const FieldPlace& place, const Address& value) {
    if (value.bank >= banks_) bad_ = place.name;
  }
  template <typename Number>
  void operator()(const FieldPlace&, const Number&) {}
  std::string_view bad() const { return bad_; }

 private:
  int64_t banks_;
  std::string_view bad_;
};

size_t OpcodeOf(const AnyFields& fields) {
  return std::visit([](const auto& f) { return static_cast<size_t>(f.kOpcode); }, fields);
}

}  // namespace

FunctionalModel::FunctionalModel(const Configuration& configuration, ModelChecks checks)
    : configuration_(configuration),
      words_(static_cast<size_t>(configuration.banks) * static_cast<size_t>(configuration.depth)) {
  if (checks == ModelChecks::kAll) undefined_uses_.emplace(configuration);
}

ProgramEnd FunctionalModel::Run(DramWindow dram, uint64_t program, std::optional<uint64_t> order_seed,
                                std::optional<int64_t> only_first) {
  dram_ = dram;
  tiles_.clear();
  completed_.assign(256, 0);
  current_ = 0;
  end_ = {};
  const std::vector<Entry> entries = Fetch(program, only_first);
  const ProgramEnd fetched = std::exchange(end_, {});
  order_seed ? RunInDrawnOrder(entries, *order_seed) : RunInOrder(entries);
  // What could not be fetched comes after what could.
  if (ok()) end_ = fetched;
  return end_;
}

std::vector<FunctionalModel::Entry> FunctionalModel::Fetch(uint64_t program, std::optional<int64_t> only_first) {
  std::vector<Entry> entries;
  if (program % kInstructionBytes != 0) Fail(ErrorCode::kIllegalInstruction, "the program is not aligned");
  for (uint64_t address = program; ok(); address += kInstructionBytes) {
    current_ = static_cast<int64_t>(entries.size());
    if (current_ == only_first) break;
    if (!DramHas(address, kInstructionBytes)) break;
    Instruction instruction;
    for (size_t i = 0; i < instruction.size(); ++i) instruction[i] = DramWord(address + 8 * i);
    const std::optional<AnyFields> fields = DecodeAny(instruction);
    if (!fields) {
      Fail(ErrorCode::kIllegalInstruction, "there is no such opcode");
      break;
    }
    entries.push_back({current_, *fields});
    if (std::holds_alternative<EndFields>(*fields)) break;
  }
  return entries;
}

bool FunctionalModel::WaitsAreMet(const Entry& entry) const {
  const auto reached = [this](Opcode unit, int64_t wait) {
    return static_cast<int16_t>(completed_[static_cast<size_t>(unit)] - wait) >= 0;
  };
  if (std::holds_alternative<WeightsFields>(entry.fields) || std::holds_alternative<EndFields>(entry.fields))
    return true;
  if (const auto* conv = std::get_if<ConvFields>(&entry.fields)) {
    if (std::ssize(tiles_) < conv->tiles) return false;
  }
  return std::visit(
      [&](const auto& f) {
        return reached(Opcode::kLoad, f.wait_load) && reached(Opcode::kStore, f.wait_store) &&
               reached(Opcode::kConv, f.wait_conv) && reached(Opcode::kVec, f.wait_vec);
      },
      entry.fields);
}

void FunctionalModel::RunInOrder(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    current_ = entry.index;
    if (!WaitsAreMet(entry)) return Fail(ErrorCode::kWatchdog, "waits for something that comes later or never");
    ExecuteEntry(entry);
    if (!ok()) return;
    ++completed_[OpcodeOf(entry.fields)];
  }
}

void FunctionalModel::RunInDrawnOrder(const std::vector<Entry>& entries, uint64_t seed) {
  // Of a unit: what has not begun; what its engines have, oldest first, nullptr once it was executed.
  struct Unit {
    size_t engines = 1;
    std::deque<const Entry*> waiting, begun;
  };
  std::array<Unit, 8> units;
  units[static_cast<size_t>(Opcode::kLoad)].engines = static_cast<size_t>(configuration_.loads);
  units[static_cast<size_t>(Opcode::kVec)].engines = static_cast<size_t>(configuration_.vecs);
  for (const Entry& entry : entries) {
    if (!std::holds_alternative<EndFields>(entry.fields)) units[OpcodeOf(entry.fields)].waiting.push_back(&entry);
  }
  std::mt19937_64 random(seed);
  for (;;) {
    std::vector<std::pair<size_t, size_t>> possible;  // a unit, and which it executes; one beyond: it begins another
    for (size_t i = 0; i < units.size(); ++i) {
      const auto& [engines, waiting, begun] = units[i];
      for (size_t k = 0; k < begun.size(); ++k) {
        if (begun[k] != nullptr) possible.emplace_back(i, k);
      }
      if (!waiting.empty() && begun.size() < engines && WaitsAreMet(*waiting.front())) {
        possible.emplace_back(i, begun.size());
      }
    }
    if (possible.empty()) break;
    const auto [number, which] = possible[random() % possible.size()];
    Unit& unit = units[number];
    if (which == unit.begun.size()) {
      unit.begun.push_back(unit.waiting.front());
      unit.waiting.pop_front();
      continue;
    }
    current_ = unit.begun[which]->index;
    ExecuteEntry(*std::exchange(unit.begun[which], nullptr));
    if (!ok()) return;
    for (; !unit.begun.empty() && unit.begun.front() == nullptr; unit.begun.pop_front()) ++completed_[number];
  }
  for (const Unit& unit : units) {
    if (unit.waiting.empty()) continue;
    current_ = unit.waiting.front()->index;
    return Fail(ErrorCode::kWatchdog, "waits for something that never comes");
  }
}

void FunctionalModel::ExecuteEntry(const Entry& entry) {
  std::visit(
      [this](const auto& f) {
        BankCheck banks(configuration_.banks);
        f.Visit(f, banks);
        if (!banks.bad().empty()) return Fail(ErrorCode::kIllegalInstruction, "bank of " + std::string(banks.bad()));
        Execute(f);
      },
      entry.fields);
}

void FunctionalModel::Execute(const WeightsFields& f) {
  if (f.tiles < 1 || f.weight_rows < 1 || (f.param_rows != 2 && f.param_rows != 4)) {
    return Fail(ErrorCode::kIllegalInstruction, "tiles, param_rows or weight_rows");
  }
  if (f.dram % 128 != 0 || f.port_stride % 128 != 0) return Fail(ErrorCode::kIllegalInstruction, "dram or port_stride");
  const auto lanes = static_cast<uint64_t>(configuration_.lanes());
  const uint64_t port_lanes = lanes / static_cast<uint64_t>(configuration_.ports);
  if (f.diagonal && port_lanes % 16 != 0) return Fail(ErrorCode::kIllegalInstruction, "diagonal");
  const auto params = static_cast<uint64_t>(f.param_rows), rows = params + static_cast<uint64_t>(f.weight_rows);
  const auto tiles = static_cast<uint64_t>(f.tiles);
  const uint64_t row_beats = f.diagonal ? port_lanes / 16 : port_lanes;  // of weights, a port
  const uint64_t tile_beats = params * port_lanes + (rows - params) * row_beats;
  const auto base = static_cast<uint64_t>(f.dram), stride = static_cast<uint64_t>(f.port_stride);
  const uint64_t port_bytes = (tiles * tile_beats * 8 + kBurstBytes - 1) / kBurstBytes * kBurstBytes;
  for (int port = 0; port < configuration_.ports; ++port) {
    if (!DramHas(base + static_cast<uint64_t>(port) * stride, port_bytes)) return;
  }
  for (uint64_t t = 0; t < tiles; ++t) {
    WeightTile tile{f.param_rows, f.weight_rows, f.diagonal, {}};
    if (!spare_beats_.empty()) {
      tile.beats = std::move(spare_beats_.back());
      spare_beats_.pop_back();
    }
    tile.beats.resize(tile_beats * static_cast<uint64_t>(configuration_.ports));
    for (uint64_t port = 0; port < static_cast<uint64_t>(configuration_.ports); ++port) {
      const std::byte* from = dram_.bytes.data() + (base + port * stride + 8 * t * tile_beats - dram_.base);
      const auto take = [&](uint64_t row_beats_of_port, uint64_t count, uint64_t* to) {
        for (uint64_t row = 0; row < count; ++row, from += 8 * row_beats_of_port) {
          std::memcpy(to + (row * static_cast<uint64_t>(configuration_.ports) + port) * row_beats_of_port, from,
                      8 * row_beats_of_port);
        }
      };
      take(port_lanes, params, tile.beats.data());
      take(row_beats, rows - params, tile.beats.data() + params * lanes);
    }
    tiles_.push_back(std::move(tile));
  }
}

void FunctionalModel::Fail(ErrorCode error, std::string detail) {
  if (ok()) end_ = {error, current_, std::move(detail)};
}

bool FunctionalModel::DramHas(uint64_t address, uint64_t bytes) {
  const uint64_t size = dram_.bytes.size();
  const bool has = address >= dram_.base && bytes <= size && address - dram_.base <= size - bytes;
  if (!has) Fail(ErrorCode::kDramRange, "address " + std::to_string(address) + ", " + std::to_string(bytes) + " bytes");
  return has;
}

// Precondition: DramHas.
uint64_t FunctionalModel::DramWord(uint64_t address) const {
  uint64_t value;
  std::memcpy(&value, dram_.bytes.data() + (address - dram_.base), 8);
  return value;
}

void FunctionalModel::FailAtWord(std::string_view what, int64_t word) {
  Fail(ErrorCode::kActRange, std::string(what) + " word " + std::to_string(word));
}

}  // namespace msq::hw

#include "backends/fpga/cosim/cosim_run.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <utility>

#include "backends/fpga/lowering/partition.h"
#include "base/status.h"
#include "hw/regs/registers.h"
#include "model/ir/printer.h"

namespace msq::fpga {
namespace {

using reference::Values;

constexpr uint64_t kDramBase = 0x1000'0000;
constexpr uint64_t kCyclesAtOnce = 1 << 16;

std::vector<std::byte> ToCodes(const Values& values) {
  std::vector<std::byte> codes(values.size());
  std::transform(values.begin(), values.end(), codes.begin(), [](int32_t v) { return static_cast<std::byte>(v); });
  return codes;
}

Values FromWords(const HostTensor& tensor, std::span<const std::byte> words) {
  const auto count = static_cast<size_t>(tensor.layout.channels * tensor.layout.pixels());
  const size_t size = tensor.layout.raw ? 4 : 1;
  std::vector<std::byte> bytes(count * size);
  UnpackOutput(tensor, words, bytes);
  Values values(count);
  for (size_t i = 0; i < count; ++i) {
    if (size == 4) {
      std::memcpy(&values[i], bytes.data() + 4 * i, 4);
    } else {
      values[i] = static_cast<int32_t>(bytes[i]);
    }
  }
  return values;
}

// A network's programs, one after the other on one machine.
class Run {
 public:
  Run(const ir::Graph& graph, const CosimSettings& settings) : graph_(graph), settings_(settings) {}

  absl::StatusOr<CosimReport> Go(const std::vector<Values>& inputs) {
    MSQ_ASSIGN_OR_RETURN(const std::vector<Stage> stages, Partition(graph_, settings_.configuration));
    MSQ_RETURN_IF_ERROR(MakeMachine(stages));
    for (size_t i = 0; i < inputs.size(); ++i) values_[graph_.inputs[i]] = inputs[i];
    for (const Stage& stage : stages) {
      MSQ_RETURN_IF_ERROR(stage.program ? OnAccelerator(stage) : OnCpu(stage));
    }
    MSQ_ASSIGN_OR_RETURN(const std::vector<Values> expected, reference::Run(graph_, inputs));
    for (size_t i = 0; i < expected.size(); ++i) Compare(graph_.outputs[i], expected[i]);
    return std::move(report_);
  }

 private:
  absl::Status MakeMachine(const std::vector<Stage>& stages) {
    int64_t bytes = 1 << 20;
    for (const Stage& stage : stages) {
      if (stage.program) bytes = std::max(bytes, RoundUp(stage.program->dram_bytes, 1 << 20));
    }
    hw::AxiMemoryOptions memory = settings_.memory;
    memory.base = kDramBase;
    memory.bytes = static_cast<uint64_t>(bytes);
    MSQ_ASSIGN_OR_RETURN(machine_,
                         hw::CreateMachine(settings_.configuration, settings_.fidelity, memory, hw::ModelChecks::kAll));
    return absl::OkStatus();
  }

  std::vector<Values> InputsOf(const Stage& stage) const {
    std::vector<Values> inputs;
    for (ir::TensorId id : stage.inputs) inputs.push_back(values_.at(id));
    return inputs;
  }

  absl::Status OnCpu(const Stage& stage) {
    MSQ_ASSIGN_OR_RETURN(std::vector<Values> outputs, reference::Run(stage.graph, InputsOf(stage)));
    for (size_t i = 0; i < outputs.size(); ++i) values_[stage.outputs[i]] = std::move(outputs[i]);
    for (const ir::Node& node : stage.graph.nodes) {
      LayerTime& layer = report_.layers.emplace_back();
      layer.node = node.name;
      layer.kind = "CPU";
      layer.begin = report_.cycles;
    }
    return absl::OkStatus();
  }

  absl::Status OnAccelerator(const Stage& stage) {
    Program program = *stage.program;
    program.MoveTo(kDramBase);
    const std::span<std::byte> dram = machine_->dram();
    std::copy(program.image.begin(), program.image.end(), dram.begin());
    const auto part = [&dram](const HostTensor& tensor) {
      return dram.subspan(static_cast<size_t>(tensor.dram), static_cast<size_t>(tensor.bytes()));
    };
    for (size_t i = 0; i < program.inputs.size(); ++i) {
      PackInput(program.inputs[i], ToCodes(values_.at(stage.inputs[i])), part(program.inputs[i]));
    }
    MSQ_RETURN_IF_ERROR(RunProgram());
    for (size_t i = 0; i < program.outputs.size(); ++i) {
      values_[stage.outputs[i]] = FromWords(program.outputs[i], part(program.outputs[i]));
    }
    AddLayers(stage);
    AddCounters();
    return absl::OkStatus();
  }

  void Write64(uint32_t lower, uint64_t value) {
    machine_->WriteRegister(lower, static_cast<uint32_t>(value));
    machine_->WriteRegister(lower + 4, static_cast<uint32_t>(value >> 32));
  }
  int64_t Counter(uint32_t lower) {
    const uint64_t low = machine_->ReadRegister(lower);
    return static_cast<int64_t>(low | uint64_t{machine_->ReadRegister(lower + 4)} << 32);
  }

  absl::Status RunProgram() {
    Write64(hw::kProgAddrLoRegister, kDramBase);
    Write64(hw::kDramBaseLoRegister, kDramBase);
    Write64(hw::kDramSizeLoRegister, machine_->dram().size());
    machine_->WriteRegister(hw::kWatchdogRegister, 1 << 20);
    machine_->WriteRegister(hw::kGieRegister, 1);
    machine_->WriteRegister(hw::kIerRegister, hw::kIerDone.mask());
    machine_->WriteRegister(hw::kIsrRegister, machine_->ReadRegister(hw::kIsrRegister));
    machine_->WriteRegister(hw::kCtrlRegister, hw::kCtrlApStart.mask());
    const auto begin = std::chrono::steady_clock::now();
    int64_t passed = 0;
    while (!machine_->interrupt() && passed < settings_.max_cycles) {
      passed += static_cast<int64_t>(machine_->Advance(kCyclesAtOnce));
    }
    report_.host_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!machine_->interrupt()) {
      return absl::InternalError(absl::StrCat("the program has not ended after ", passed, " cycles"));
    }
    machine_->ReadRegister(hw::kCtrlRegister);
    const uint32_t error = hw::kStatusError.Of(machine_->ReadRegister(hw::kStatusRegister));
    if (error == 0) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("the program ended with ", std::string(hw::ErrorName(error)),
                                            " at instruction ", machine_->ReadRegister(hw::kErrorIndexRegister)));
  }

  void AddCounters() {
    report_.cycles += Counter(hw::kCyclesLoRegister);
    report_.steps += Counter(hw::kStepsLoRegister);
    report_.dsp_busy += Counter(hw::kDspBusyLoRegister);
    report_.lut_busy += Counter(hw::kLutBusyLoRegister);
    report_.stall_weights += Counter(hw::kStallWeightsLoRegister);
    report_.stall_drain += Counter(hw::kStallDrainLoRegister);
    report_.stall_bank += Counter(hw::kStallBankLoRegister);
    report_.dram_bytes += 8 * (Counter(hw::kReadBeatsLoRegister) + Counter(hw::kWriteBeatsLoRegister));
  }

  // A record's layer is complete with the last of its CONVs and VECs.
  void AddLayers(const Stage& stage) {
    std::map<std::string, int64_t> macs;
    for (const ir::Node& node : stage.graph.nodes) macs[node.name] = ir::MacCount(stage.graph, node);
    const hw::Completions& completed = machine_->completed();
    const auto& conv = completed[static_cast<size_t>(hw::Unit::kConv)];
    const auto& vec = completed[static_cast<size_t>(hw::Unit::kVec)];
    size_t convs = 0, vecs = 0;
    int64_t before = 0;
    for (const LayerRecord& record : stage.program->layers) {
      convs += static_cast<size_t>(record.convs);
      vecs += static_cast<size_t>(record.vecs);
      uint64_t end = static_cast<uint64_t>(before);
      if (record.convs > 0) end = std::max(end, conv[convs - 1]);
      if (record.vecs > 0) end = std::max(end, vec[vecs - 1]);
      LayerTime& layer = report_.layers.emplace_back();
      layer.node = record.node;
      layer.kind = record.kind;
      layer.begin = report_.cycles + before;
      layer.cycles = static_cast<int64_t>(end) - before;
      layer.steps = record.steps;
      layer.dram_bytes = record.weight_bytes + kWordBytes * (record.load_words + record.store_words);
      for (const auto& [name, count] : macs) {
        if (Names(record.node, name)) layer.macs += count;
      }
      report_.macs += layer.macs;
      before = static_cast<int64_t>(end);
    }
    for (size_t unit = 0; unit < completed.size(); ++unit) {
      for (uint64_t cycle : completed[unit]) {
        report_.timeline.push_back({static_cast<int>(unit), report_.cycles + static_cast<int64_t>(cycle)});
      }
    }
  }

  // Whether the node is one of "a, b, c".
  static bool Names(const std::string& list, const std::string& node) {
    for (size_t at = list.find(node); at != std::string::npos; at = list.find(node, at + 1)) {
      const size_t end = at + node.size();
      if ((at == 0 || list[at - 1] == ' ') && (end == list.size() || list[end] == ',')) return true;
    }
    return false;
  }

  void Compare(ir::TensorId id, const Values& expected) {
    const Values& actual = values_.at(id);
    for (size_t i = 0; i < expected.size(); ++i) {
      ++report_.values;
      if (actual[i] == expected[i]) continue;
      if (report_.mismatches++ > 0) continue;
      report_.first_mismatch = absl::StrCat("'", graph_.tensors[static_cast<size_t>(id)].name, "'[", i, "] is ",
                                            actual[i], ", the reference has ", expected[i]);
    }
  }

  const ir::Graph& graph_;
  const CosimSettings settings_;
  std::unique_ptr<hw::Machine> machine_;
  std::map<ir::TensorId, Values> values_;
  CosimReport report_;
};

}  // namespace

absl::StatusOr<CosimReport> RunCosim(const ir::Graph& graph, const std::vector<Values>& inputs,
                                     const CosimSettings& settings) {
  return Run(graph, settings).Go(inputs);
}

std::vector<Values> RandomInputs(const ir::Graph& graph, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Values> inputs;
  for (ir::TensorId id : graph.inputs) {
    const ir::TensorType& type = graph.tensors[static_cast<size_t>(id)].type;
    Values& values = inputs.emplace_back(static_cast<size_t>(ir::ElementCount(type.shape)));
    for (int32_t& value : values) value = static_cast<int32_t>(random() % (uint64_t{1} << type.bits));
  }
  return inputs;
}

}  // namespace msq::fpga

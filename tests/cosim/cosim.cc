#include "tests/cosim/cosim.h"

#include <cstring>
#include <random>

#include "absl/strings/str_cat.h"
#include "backends/fpga/lowering/lowering.h"
#include "base/status.h"

namespace msq::testing {
namespace {

constexpr uint64_t kDramBase = 0x10000000;

std::vector<std::byte> ToBytes(const reference::Values& codes) {
  std::vector<std::byte> bytes(codes.size());
  for (size_t i = 0; i < codes.size(); ++i) bytes[i] = static_cast<std::byte>(codes[i]);
  return bytes;
}

void WriteInputs(const fpga::Program& program, const std::vector<reference::Values>& inputs, hw::AxiMemory* memory) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const fpga::HostTensor& input = program.inputs[i];
    std::vector<std::byte> words(static_cast<size_t>(input.bytes()));
    fpga::PackInput(input, ToBytes(inputs[i]), words);
    std::memcpy(memory->At(kDramBase + static_cast<uint64_t>(input.dram)), words.data(), words.size());
  }
}

reference::Values ReadOutput(const fpga::HostTensor& output, const ir::TensorType& type, hw::AxiMemory* memory) {
  const uint8_t* words = memory->At(kDramBase + static_cast<uint64_t>(output.dram));
  std::vector<std::byte> bytes(static_cast<size_t>(type.ByteSize()));
  fpga::UnpackOutput(output, {reinterpret_cast<const std::byte*>(words), static_cast<size_t>(output.bytes())}, bytes);
  reference::Values values(static_cast<size_t>(ir::ElementCount(type.shape)));
  for (size_t i = 0; i < values.size(); ++i) {
    if (type.kind == ir::TensorType::Kind::kCode) {
      values[i] = static_cast<int32_t>(bytes[i]);
    } else {
      std::memcpy(&values[i], &bytes[4 * i], 4);
    }
  }
  return values;
}

void Compare(const ir::Graph& graph, const std::vector<reference::Values>& expected, hw::AxiMemory* memory,
             CosimResult* result) {
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const ir::Tensor& tensor = graph.tensors[static_cast<size_t>(graph.outputs[i])];
    const reference::Values got = ReadOutput(result->program.outputs[i], tensor.type, memory);
    for (size_t at = 0; at < got.size(); ++at) {
      ++result->values;
      if (got[at] == expected[i][at]) continue;
      if (result->mismatches++ == 0) {
        result->first_mismatch =
            absl::StrCat("output ", i, " element ", at, ": ", got[at], ", the reference has ", expected[i][at]);
      }
    }
  }
}

std::string Describe(const hw::ProgramRun& run) {
  if (!run.ended) return "the program does not end";
  return absl::StrCat("the program ends with error ", static_cast<int>(run.error), " at instruction ", run.error_index,
                      " after ", run.cycles, " cycles");
}

}  // namespace

reference::Values RandomCodes(const ir::TensorType& type, uint64_t seed) {
  std::mt19937_64 random(seed);
  reference::Values values(static_cast<size_t>(ir::ElementCount(type.shape)));
  for (int32_t& value : values) value = static_cast<int32_t>(random() >> (64 - type.bits));
  return values;
}

absl::StatusOr<CosimResult> Cosimulate(const ir::Graph& graph, const hw::Configuration& configuration,
                                       const CosimOptions& options) {
  CosimResult result;
  MSQ_ASSIGN_OR_RETURN(result.program, fpga::Lower(graph, configuration));
  result.program.MoveTo(kDramBase);
  hw::AxiMemoryOptions memory_options = options.memory;
  memory_options.ports = configuration.ports;
  memory_options.base = kDramBase;
  memory_options.bytes = (static_cast<uint64_t>(result.program.dram_bytes) + 4095) / 4096 * 4096;
  hw::AxiMemory memory(memory_options);
  std::memcpy(memory.At(kDramBase), result.program.image.data(), result.program.image.size());
  const auto kernel = options.kernel(&memory);
  hw::RunOptions run;
  run.program = run.window_base = kDramBase;
  run.window_bytes = memory_options.bytes;
  run.max_cycles = options.max_cycles;
  for (int sample = 0; sample < options.samples; ++sample) {
    std::vector<reference::Values> inputs;
    for (ir::TensorId id : graph.inputs) {
      inputs.push_back(RandomCodes(graph.tensors[static_cast<size_t>(id)].type,
                                   options.seed + 100 * static_cast<uint64_t>(sample) + static_cast<uint64_t>(id)));
    }
    MSQ_ASSIGN_OR_RETURN(const std::vector<reference::Values> expected, reference::Run(graph, inputs));
    WriteInputs(result.program, inputs, &memory);
    result.run = hw::RunProgram(*kernel, run);
    if (!result.run.ok()) return absl::InternalError(Describe(result.run));
    Compare(graph, expected, &memory, &result);
  }
  result.memory = memory.statistics();
  return result;
}

}  // namespace msq::testing

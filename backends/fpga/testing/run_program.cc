#include "backends/fpga/testing/run_program.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "hw/sim/functional_model.h"

namespace msq::fpga {
namespace {

constexpr uint64_t kBase = uint64_t{3} << 32;  // where the program lies in DRAM
constexpr std::byte kJunk{0xa5};               // what nobody has written yet must not look like zeros

std::vector<int32_t> Unpack(const HostTensor& output, std::span<const std::byte> words) {
  const size_t size = output.layout.raw ? 4 : 1;
  const auto count = static_cast<size_t>(output.layout.channels * output.layout.pixels());
  std::vector<std::byte> bytes(count * size);
  UnpackOutput(output, words, bytes);
  std::vector<int32_t> values(count);
  for (size_t i = 0; i < count; ++i) {
    if (size == 4) {
      std::memcpy(&values[i], bytes.data() + 4 * i, 4);
    } else {
      values[i] = static_cast<int32_t>(bytes[i]);
    }
  }
  return values;
}

}  // namespace

absl::StatusOr<std::vector<std::vector<int32_t>>> RunProgram(const Program& program,
                                                             std::span<const std::vector<int32_t>> inputs,
                                                             std::optional<uint64_t> order_seed) {
  Program moved = program;
  moved.MoveTo(kBase);
  std::vector<std::byte> dram(static_cast<size_t>(program.dram_bytes), kJunk);
  std::copy(moved.image.begin(), moved.image.end(), dram.begin());
  const auto part = [&dram](const HostTensor& tensor) {
    return std::span(dram).subspan(static_cast<size_t>(tensor.dram), static_cast<size_t>(tensor.bytes()));
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::vector<std::byte> codes(inputs[i].size());
    std::transform(inputs[i].begin(), inputs[i].end(), codes.begin(),
                   [](int32_t v) { return static_cast<std::byte>(v); });
    PackInput(program.inputs[i], codes, part(program.inputs[i]));
  }
  hw::FunctionalModel model(program.configuration, hw::ModelChecks::kAll);
  std::fill(model.words().begin(), model.words().end(), 0xa5a5a5a5a5a5a5a5u);
  const hw::ProgramEnd end = model.Run({dram, kBase}, kBase, order_seed);
  if (!end.ok()) {
    const std::string name(hw::ErrorName(static_cast<uint32_t>(end.error)));
    return absl::InternalError(absl::StrCat(name, " at instruction ", end.instruction, ": ", end.detail));
  }
  std::vector<std::vector<int32_t>> outputs;
  for (const HostTensor& output : program.outputs) outputs.push_back(Unpack(output, part(output)));
  return outputs;
}

}  // namespace msq::fpga

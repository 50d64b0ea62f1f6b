// Programs as text for a test bench in Verilog: what lies in DRAM before they run, and after.
//
//   kernel_images CONFIGURATION FOLDER
//
// Writes dram.hex and expected.hex, 64 bits a line, and layout.hex: the address of the first word, the number of words,
// the number of programs, and for each program its address and the bytes of its window, which begins there. What nobody
// wrote is x. The programs use every unit and every kind of CONV, or there is an error; what they leave behind is what
// the functional model leaves, and does not depend on memory that was never written.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "backends/fpga/lowering/lowering.h"
#include "backends/testing/graph_builder.h"
#include "base/status.h"
#include "hw/sim/functional_model.h"
#include "model/ir/verifier.h"
#include "model/testing/sample_model.h"

namespace msq::testing {
namespace {

constexpr uint64_t kDramBase = uint64_t{3} << 32;
constexpr size_t kPageBytes = 4096;

// 8-bit maps, each convolution with something that the sample model lacks: strides, several tiles, an 8-bit residual,
// dilated windows, a ragged border.
ir::Graph Blocks() {
  static constexpr Codes kCodes = {8, 5};
  GraphBuilder b("blocks");
  const auto conv = [&b](std::vector<ir::TensorId> inputs, int64_t rows, const ir::Window& window, int64_t groups = 1) {
    const Layer layer = {.window = window,
                         .groups = groups,
                         .schemes = {ir::Scheme::kSp2, ir::Scheme::kFixed4},
                         .scale = 0.03,
                         .addend = 100};
    return b.Conv(std::move(inputs), rows, layer, kCodes);
  };
  const ir::TensorId in = b.Input({20, 5, 4}, kCodes);
  const ir::TensorId pooled = b.Add(ir::MaxPool{{{3, 2}, {1, 1}, {1, 1, 1, 0}, {1, 1}}}, {in});
  const ir::TensorId wide = conv({pooled}, 40, {{1, 1}, {1, 1}, {}, {1, 1}});
  const ir::TensorId sum = conv({wide, in}, 20, {{1, 1}, {1, 1}, {}, {1, 1}});
  const ir::TensorId strided = conv({sum}, 40, {{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}});
  const ir::TensorId depthwise = conv({strided}, 40, {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}, 40);
  const ir::TensorId last = conv({depthwise}, 20, {{2, 2}, {1, 2}, {2, 0, 1, 2}, {3, 2}});
  return std::move(b).Finish({last});
}

// Every tensor that a node makes, so that all can be compared.
ir::Graph WithAllOutputs(ir::Graph graph) {
  graph.outputs.clear();
  for (const ir::Node& node : graph.nodes) graph.outputs.push_back(node.output);
  return graph;
}

// A program at its place, in DRAM as the host leaves it and otherwise full of `junk`; and DRAM after it ran.
struct Images {
  std::vector<std::byte> before, after;
};

absl::StatusOr<Images> Run(const fpga::Program& program, uint64_t address, std::byte junk) {
  fpga::Program moved = program;
  moved.MoveTo(address);
  const size_t bytes = (static_cast<size_t>(program.dram_bytes) + kPageBytes - 1) / kPageBytes * kPageBytes;
  Images images{.before = std::vector<std::byte>(bytes, junk), .after = {}};
  std::memcpy(images.before.data(), moved.image.data(), moved.image.size());
  std::mt19937 random(1);
  for (const fpga::HostTensor& input : program.inputs) {
    const ir::Shape shape = input.taps ? ir::Shape(input.taps->shape.begin(), input.taps->shape.end())
                                       : ir::Shape{input.layout.channels, input.layout.height, input.layout.width};
    std::vector<std::byte> codes(static_cast<size_t>(ir::ElementCount(shape)));
    for (std::byte& code : codes) code = static_cast<std::byte>(random() >> (32 - input.layout.bits));
    fpga::PackInput(
        input, codes,
        std::span(images.before).subspan(static_cast<size_t>(input.dram), static_cast<size_t>(input.bytes())));
  }
  images.after = images.before;
  hw::FunctionalModel model(program.configuration, hw::ModelChecks::kAll);
  std::memset(model.words().data(), static_cast<int>(junk), model.words().size_bytes());
  const hw::ProgramEnd end = model.Run({images.after, address}, address);
  if (!end.ok()) return absl::InternalError(absl::StrCat("instruction ", end.instruction, ": ", end.detail));
  return images;
}

// The two agree in what was written. Words as lines, x where neither wrote.
absl::StatusOr<std::string> Lines(const std::vector<std::byte>& ones, const std::vector<std::byte>& zeros) {
  std::string lines;
  for (size_t at = 0; at < ones.size(); at += 8) {
    uint64_t a, b;
    std::memcpy(&a, &ones[at], 8);
    std::memcpy(&b, &zeros[at], 8);
    if (a == b) {
      absl::StrAppend(&lines, absl::Hex(a, absl::kZeroPad16), "\n");
    } else if (a == ~uint64_t{0} && b == 0) {
      absl::StrAppend(&lines, "xxxxxxxxxxxxxxxx\n");
    } else {
      return absl::InternalError(absl::StrCat("byte ", at, " depends on memory that was never written"));
    }
  }
  return lines;
}

// Counts what the program's instructions ask for.
struct Uses {
  std::map<std::string, int> counts;

  void Count(const char* what, bool used) { counts[what] += used; }
  void operator()(const hw::EndFields&) {}
  void operator()(const hw::WeightsFields& f) { Count("leaky parameters", f.param_rows == 4); }
  void operator()(const hw::LoadFields& f) { Count("LOAD of rows", f.rows > 1); }
  void operator()(const hw::StoreFields&) { Count("STORE", true); }
  void operator()(const hw::ConvFields& f) {
    Count("padding", f.first_y < 0 && f.first_x < 0);
    Count("padding with a code", f.first_y < 0 && f.pad_low != 0);
    Count("stride", f.stride_y > 1 && f.stride_x > 1);
    Count("dilation", f.dilation_y > 1);
    Count("tiles", f.tiles > 1 && f.last_groups > 0);
    Count("depthwise", !(f.in_tile == hw::Address{}));
    Count("8-bit activations and weights", f.passes > 4);
    Count("raw", f.raw);
    Count("leaky", f.leaky);
    Count("skip", f.skip && !f.skip8);
    Count("skip8", f.skip8);
    Count("out8", f.out8);
    Count("stream", f.stream);
  }
  void operator()(const hw::VecFields& f) {
    Count("maximum", f.kernel_h > 1);
    Count("copy", f.kernel_h == 1);
    Count("wide VEC", f.wide);
  }
};

absl::Status CheckUses(const std::vector<fpga::Program>& programs) {
  Uses uses;
  for (const fpga::Program& program : programs) {
    for (int64_t i = 0; i < program.instructions; ++i) {
      hw::Instruction instruction;
      std::memcpy(instruction.data(), program.image.data() + i * hw::kInstructionBytes, hw::kInstructionBytes);
      const auto fields = hw::DecodeAny(instruction);
      if (!fields) return absl::InternalError(absl::StrCat("instruction ", i, " is none"));
      std::visit(uses, *fields);
    }
  }
  for (const auto& [what, count] : uses.counts) {
    std::printf("%s: %d\n", what.c_str(), count);
    if (count == 0) return absl::InternalError(absl::StrCat("no program has ", what));
  }
  return absl::OkStatus();
}

absl::Status WriteImages(const hw::Configuration& configuration, const std::string& folder) {
  // The sample model has every operator; a second time in a memory that holds it in strips only. The blocks with a weight
  // buffer that some of their tiles must stream through.
  hw::Configuration low = configuration, shallow = configuration;
  low.depth = 60;
  shallow.wdepth = 20;
  const ir::Graph sample = SampleModel().graph;
  std::vector<fpga::Program> programs;
  for (const auto& [graph, target] :
       {std::pair{WithAllOutputs(sample), configuration}, {sample, low}, {WithAllOutputs(Blocks()), shallow}}) {
    MSQ_RETURN_IF_ERROR(ir::Verify(graph));
    MSQ_ASSIGN_OR_RETURN(fpga::Program program, fpga::Lower(graph, target));
    programs.push_back(std::move(program));
  }
  MSQ_RETURN_IF_ERROR(CheckUses(programs));
  std::string dram, expected, list;
  size_t bytes = 0;
  for (const fpga::Program& program : programs) {
    const uint64_t address = kDramBase + bytes;
    MSQ_ASSIGN_OR_RETURN(const Images ones, Run(program, address, std::byte{0xff}));
    MSQ_ASSIGN_OR_RETURN(const Images zeros, Run(program, address, std::byte{0}));
    MSQ_ASSIGN_OR_RETURN(const std::string before, Lines(ones.before, zeros.before));
    MSQ_ASSIGN_OR_RETURN(const std::string after, Lines(ones.after, zeros.after));
    dram += before;
    expected += after;
    absl::StrAppend(&list, absl::Hex(address), "\n", absl::Hex(ones.after.size()), "\n");
    bytes += ones.after.size();
  }
  const std::string layout =
      absl::StrCat(absl::Hex(kDramBase), "\n", absl::Hex(bytes / 8), "\n", absl::Hex(programs.size()), "\n", list);
  for (const auto& [name, text] :
       {std::pair<const char*, const std::string*>{"dram", &dram}, {"expected", &expected}, {"layout", &layout}}) {
    std::ofstream file(absl::StrCat(folder, "/", name, ".hex"));
    file << *text;
    file.close();
    if (!file) return absl::UnavailableError(absl::StrCat("cannot write ", folder, "/", name, ".hex"));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace msq::testing

int main(int argc, char** argv) {
  const msq::hw::Configuration* configuration = argc == 3 ? msq::hw::FindConfiguration(argv[1]) : nullptr;
  if (configuration == nullptr) {
    std::fprintf(stderr, "usage: %s CONFIGURATION FOLDER\n", argv[0]);
    return 2;
  }
  const absl::Status status = msq::testing::WriteImages(*configuration, argv[2]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

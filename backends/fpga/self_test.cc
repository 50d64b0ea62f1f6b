#include "backends/fpga/self_test.h"

#include <algorithm>
#include <array>
#include <random>
#include <utility>
#include <vector>

#include "backends/fpga/device_program.h"
#include "backends/fpga/lowering/lowering.h"
#include "base/status.h"
#include "model/numerics/scheme.h"

namespace msq::fpga {

struct SelfTest::Data {
  Program program;
  // Two questions: an answer that was left in memory by the last test is the other one's.
  struct Question {
    std::vector<std::byte> input, expected;
  };
  std::array<Question, 2> questions;
};

namespace {

constexpr int64_t kChannels = 16, kSide = 6, kRows = 32, kKernel = 3;

ir::Weights TestWeights(std::mt19937* random) {
  ir::Weights weights;
  weights.rows = kRows;
  weights.row_length = kChannels * kKernel * kKernel;
  for (int64_t row = 0; row < kRows; ++row) {
    const bool fixed = row % 8 < 3;  // 3:5, as arrays are made for
    weights.schemes.push_back(fixed ? ir::Scheme::kFixed4 : ir::Scheme::kSp2);
    weights.alphas.push_back(1);
    constexpr int8_t kSp2[] = {-8, -6, -5, -4, -2, -1, 0, 1, 2, 4, 5, 6, 8};
    for (int64_t i = 0; i < weights.row_length; ++i) {
      const auto drawn = static_cast<int>((*random)() % (fixed ? 15 : std::size(kSp2)));
      weights.values.push_back(fixed ? static_cast<int8_t>(drawn - 7) : kSp2[drawn]);
    }
  }
  return weights;
}

// Sums are about 7 * 5 * sqrt(144); codes are to use their range.
ir::Requantizer TestRequantizer() {
  ir::Requantizer requantizer;
  requantizer.multipliers.assign(kRows, 1 << 10);
  requantizer.addends.assign(kRows, (int64_t{8} << 16) + (int64_t{1} << 15));
  requantizer.shifts.assign(kRows, 16);
  return requantizer;
}

ir::Graph TestGraph(std::mt19937* random) {
  ir::Conv conv;
  conv.window.kernel = {kKernel, kKernel};
  conv.window.pads = {1, 1, 1, 1};
  conv.weights = TestWeights(random);
  conv.epilogue = TestRequantizer();
  ir::Graph graph;
  graph.name = "self-test";
  graph.tensors.resize(2);
  graph.tensors[0].name = "in";
  graph.tensors[0].type.shape = {kChannels, kSide, kSide};
  graph.tensors[1].name = "out";
  graph.tensors[1].type.shape = {kRows, kSide, kSide};
  graph.nodes.push_back({"conv", std::move(conv), {0}, 1});
  graph.inputs = {0};
  graph.outputs = {1};
  return graph;
}

}  // namespace

SelfTest::SelfTest(std::unique_ptr<const Data> data) : data_(std::move(data)) {}
SelfTest::~SelfTest() = default;

absl::StatusOr<std::unique_ptr<SelfTest>> SelfTest::Create(const hw::Configuration& configuration, const Backend& cpu) {
  std::mt19937 random(1);
  const ir::Graph graph = TestGraph(&random);
  auto data = std::make_unique<Data>();
  MSQ_ASSIGN_OR_RETURN(data->program, Lower(graph, configuration));
  MSQ_ASSIGN_OR_RETURN(const std::unique_ptr<Executable> executable, cpu.Prepare(graph, {}));
  for (Data::Question& question : data->questions) {
    question.input.resize(static_cast<size_t>(graph.tensors[0].type.ByteSize()));
    question.expected.resize(static_cast<size_t>(graph.tensors[1].type.ByteSize()));
    std::generate(question.input.begin(), question.input.end(), [&] { return static_cast<std::byte>(random() % 16); });
    const ConstTensorView input{ElementType::kCode, 1, question.input};
    const TensorView output{ElementType::kCode, 1, question.expected};
    RunContext context;
    MSQ_RETURN_IF_ERROR(executable->Run({&input, 1}, {&output, 1}, context));
  }
  return std::unique_ptr<SelfTest>(new SelfTest(std::move(data)));
}

absl::Status SelfTest::Run(const std::shared_ptr<Accelerator>& accelerator) const {
  DeviceProgram program(accelerator, data_->program);
  for (const Data::Question& question : data_->questions) {
    std::vector<std::byte> output(question.expected.size());
    const DeviceProgram::Job job{.samples = 1,
                                 .inputs = [&](int64_t) { return SampleInputs{question.input}; },
                                 .outputs = [&](int64_t) { return SampleOutputs{output}; }};
    MSQ_RETURN_IF_ERROR(WithContext(program.Run(job, [] { return absl::OkStatus(); }).status(), "self-test"));
    if (output != question.expected) return Unavailable("self-test: wrong answer");
  }
  return absl::OkStatus();
}

}  // namespace msq::fpga

// The CPU backend around its arithmetic (which tests/conformance covers): choice of kernels, errors, concurrency, batches
// beyond one arena.
#include "backends/cpu/cpu_backend.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>

#include "backends/cpu/kernels/kernel_table.h"
#include "backends/testing/synthetic_networks.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/ir/verifier.h"
#include "model/testing/sample_model.h"

namespace msq::cpu {
namespace {

using ::testing::HasSubstr;

std::string MessageOf(const absl::Status& status) {
  return std::string(Message(status));
}

class ForceKernel {
 public:
  explicit ForceKernel(const char* name) { setenv("MSQ_FORCE_KERNEL", name, 1); }
  ~ForceKernel() { unsetenv("MSQ_FORCE_KERNEL"); }
};

TEST(CreateCpuBackendTest, TakesEveryKernelByName) {
  for (const KernelTable* kernels : Kernels()) {
    const auto backend = CreateCpuBackend(kernels->name);
    if (!kernels->supported()) {
      EXPECT_EQ(backend.status().code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(MessageOf(backend.status()), HasSubstr(kernels->name));
      continue;
    }
    ASSERT_TRUE(backend.ok()) << backend.status();
    EXPECT_EQ((*backend)->name(), "cpu");
    EXPECT_EQ((*backend)->capabilities().device, std::string("cpu ") + kernels->name);
  }
}

TEST(CreateCpuBackendTest, EnvironmentForcesAKernel) {
  const ForceKernel force("scalar");
  EXPECT_EQ((*CreateCpuBackend())->capabilities().device, "cpu scalar");
}

TEST(CreateCpuBackendTest, UnknownKernelListsTheKnown) {
  for (const absl::Status& status : {CreateCpuBackend("mmx").status(), [] {
                                       const ForceKernel force("mmx");
                                       return CreateCpuBackend().status();
                                     }()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(MessageOf(status), HasSubstr("unknown kernel 'mmx'; there are: scalar"));
  }
}

TEST(CpuBackendTest, RefusesWhatItCannotRun) {
  ir::Graph graph;
  ir::TensorType type;
  type.shape = {5, 3};
  graph.tensors.push_back({"in", type});
  type.shape = {5, 2};
  graph.tensors.push_back({"out", type});
  ir::Recurrent op;
  op.hidden_size = 2;
  op.input_weights = testing::PatternWeights(8, 3, {ir::Scheme::kSp2}, 1);
  op.recurrent_weights = testing::PatternWeights(8, 2, {ir::Scheme::kSp2}, 2);
  op.biases.assign(8, 0);
  graph.nodes.push_back({"my lstm", op, {0}, 1});
  graph.inputs = {0};
  graph.outputs = {1};
  ASSERT_TRUE(ir::Verify(graph).ok()) << ir::Verify(graph);
  const auto executable = (*CreateCpuBackend())->Prepare(graph, {});
  EXPECT_EQ(executable.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(MessageOf(executable.status()), HasSubstr("node 'my lstm': the cpu backend does not run Recurrent"));
}

TEST(CpuBackendTest, RefusesImpossibleThreads) {
  const auto executable = (*CreateCpuBackend())->Prepare(testing::SampleModel().graph, {.threads = 0});
  EXPECT_EQ(executable.status().code(), absl::StatusCode::kInvalidArgument);
}

// Runs of a network with one 8-bit input and one raw output.
class Runner {
 public:
  explicit Runner(const ir::Graph& graph, int threads)
      : executable_(*(*CreateCpuBackend())->Prepare(graph, {threads})) {
    input_bytes_ = static_cast<size_t>(executable_->inputs()[0].type.ByteSize());
    output_bytes_ = static_cast<size_t>(executable_->outputs()[0].type.ByteSize());
  }

  std::vector<std::byte> Input(int64_t batch, uint32_t seed) const {
    std::minstd_rand random(seed);
    std::vector<std::byte> bytes(static_cast<size_t>(batch) * input_bytes_);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random() >> 8);
    return bytes;
  }

  absl::StatusOr<std::vector<std::byte>> Run(std::span<const std::byte> input, RunContext context = {}) const {
    const auto batch = static_cast<int64_t>(input.size() / input_bytes_);
    std::vector<std::byte> output(static_cast<size_t>(batch) * output_bytes_);
    const ConstTensorView in{ElementType::kCode, batch, input};
    const TensorView out{ElementType::kAccumulator, batch, output};
    MSQ_RETURN_IF_ERROR(executable_->Run({&in, 1}, {&out, 1}, context));
    return output;
  }

  size_t input_bytes() const { return input_bytes_; }
  size_t output_bytes() const { return output_bytes_; }

 private:
  std::unique_ptr<Executable> executable_;
  size_t input_bytes_ = 0, output_bytes_ = 0;
};

// 37 samples take several arenas; each must come out as it does alone.
TEST(CpuBackendTest, LargeBatchesGiveTheBitsOfSingleSamples) {
  const Runner runner(testing::SampleModel().graph, 2);
  const std::vector<std::byte> input = runner.Input(37, 1);
  const auto together = runner.Run(input);
  ASSERT_TRUE(together.ok()) << together.status();
  for (size_t i = 0; i < 37; ++i) {
    const auto alone = runner.Run(std::span(input).subspan(i * runner.input_bytes(), runner.input_bytes()));
    ASSERT_TRUE(alone.ok());
    EXPECT_EQ(std::memcmp(alone->data(), together->data() + i * runner.output_bytes(), runner.output_bytes()), 0) << i;
  }
}

TEST(CpuBackendTest, TellsWhatItsWeightsTake) {
  const ir::Graph graph = testing::SampleModel().graph;
  int64_t weights = 0;
  for (const ir::Node& node : graph.nodes) {
    if (const auto* conv = std::get_if<ir::Conv>(&node.op))
      weights += static_cast<int64_t>(conv->weights.values.size());
  }
  ASSERT_GT(weights, 0);
  const auto executable = (*CreateCpuBackend())->Prepare(graph, {});
  ASSERT_TRUE(executable.ok());
  EXPECT_GE((*executable)->weight_bytes(), weights);  // a byte each, padded
}

TEST(CpuBackendTest, ConcurrentRunsDoNotDisturbEachOther) {
  const Runner runner(testing::ResNetCifar(1), 2);
  constexpr int kCallers = 4, kRuns = 6;
  std::vector<std::vector<std::byte>> inputs, expected;
  for (int i = 0; i < kCallers; ++i) {
    inputs.push_back(runner.Input(1 + i % 3, static_cast<uint32_t>(i + 1)));
    expected.push_back(*runner.Run(inputs.back()));
  }
  std::vector<int> wrong(kCallers, 0);
  std::vector<std::thread> callers;
  for (size_t i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      for (int run = 0; run < kRuns; ++run) {
        const auto output = runner.Run(inputs[i]);
        if (!output.ok() || *output != expected[i]) ++wrong[i];
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(wrong, ::testing::Each(0));
}

// What a run says that is stopped after a delay. On a busy machine the delay may pass before the run; then a longer one.
std::string StopMessage(const std::function<absl::Status(absl::Duration)>& run) {
  std::string message;
  for (auto delay = absl::Milliseconds(5); delay < absl::Milliseconds(100); delay *= 2) {
    message = MessageOf(run(delay));
    if (message.find("before the run") == std::string::npos) break;
  }
  return message;
}

// One arena of samples on the slowest kernels: between its first step and its last pass hundreds of milliseconds.
TEST(CpuBackendTest, StopsBetweenSteps) {
  const ForceKernel force("scalar");
  const Runner runner(testing::ResNetCifar(3), 1);
  const std::vector<std::byte> input = runner.Input(16, 1);
  EXPECT_EQ(StopMessage([&](absl::Duration delay) {
              RunContext context;
              context.deadline = absl::Now() + delay;
              return runner.Run(input, context).status();
            }),
            "deadline passed during the run");
  EXPECT_EQ(StopMessage([&](absl::Duration delay) {
              std::atomic<bool> cancelled = false;
              RunContext context;
              context.cancelled = &cancelled;
              std::thread canceller([&] {
                absl::SleepFor(delay);
                cancelled = true;
              });
              const absl::Status status = runner.Run(input, context).status();
              canceller.join();
              return status;
            }),
            "cancelled during the run");
  EXPECT_TRUE(runner.Run(runner.Input(1, 1)).ok());
}

}  // namespace
}  // namespace msq::cpu

// What Executable::Run refuses before any backend sees it, and the registry.
#include "backends/backend.h"

#include <string>

#include "backends/registry.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/testing/sample_model.h"

namespace msq {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Counts the runs that pass validation.
class FakeExecutable final : public Executable {
 public:
  explicit FakeExecutable(const ir::Graph& graph) : Executable(graph) {}
  mutable int runs = 0;

 protected:
  absl::Status DoRun(std::span<const ConstTensorView>, std::span<const TensorView>, RunContext&) const override {
    ++runs;
    return absl::OkStatus();
  }
};

// Arguments for the sample model: "pixels" [3,8,8] 8-bit and "logits" [10] raw.
class ExecutableTest : public ::testing::Test {
 protected:
  absl::Status Run() {
    const std::vector<ConstTensorView> inputs(input_count, {input_type, input_batch, input});
    const std::vector<TensorView> outputs(output_count, {output_type, output_batch, output});
    return executable.Run(inputs, outputs, context);
  }
  void ExpectRefused(absl::StatusCode code, const std::string& part) {
    const absl::Status status = Run();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(part));
    EXPECT_EQ(executable.runs, 0);
  }
  void ExpectInvalid(const std::string& part) { ExpectRefused(absl::StatusCode::kInvalidArgument, part); }

  ir::Graph graph = testing::SampleModel().graph;
  FakeExecutable executable{graph};
  size_t input_count = 1, output_count = 1;
  ElementType input_type = ElementType::kCode, output_type = ElementType::kAccumulator;
  int64_t input_batch = 2, output_batch = 2;
  std::vector<std::byte> input = std::vector<std::byte>(2 * 192), output = std::vector<std::byte>(2 * 40);
  RunContext context;
};

TEST_F(ExecutableTest, DescribesTheGraph) {
  ASSERT_EQ(executable.inputs().size(), 1u);
  EXPECT_EQ(executable.inputs()[0].name, "pixels");
  EXPECT_EQ(executable.inputs()[0].type.shape, (ir::Shape{3, 8, 8}));
  ASSERT_EQ(executable.outputs().size(), 1u);
  EXPECT_EQ(executable.outputs()[0].name, "logits");
}

TEST_F(ExecutableTest, RunsWhatIsValid) {
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(executable.runs, 1);
}

TEST_F(ExecutableTest, RefusesWrongCounts) {
  input_count = 2;
  ExpectInvalid("got 2 inputs, expected 1");
  input_count = 1;
  output_count = 0;
  ExpectInvalid("got 0 outputs, expected 1");
}

TEST_F(ExecutableTest, RefusesWrongTypes) {
  input_type = ElementType::kAccumulator;
  ExpectInvalid("input 'pixels': holds accumulators, expected codes");
  input_type = ElementType::kCode;
  output_type = ElementType::kCode;
  ExpectInvalid("output 'logits': holds codes, expected accumulators");
}

TEST_F(ExecutableTest, RefusesWrongBatches) {
  output_batch = 1;
  ExpectInvalid("output 'logits': batch 1 differs from the first input's 2");
  input_batch = 0;
  ExpectInvalid("batch 0 is not positive");
  input_batch = -1;
  ExpectInvalid("batch -1 is not positive");
  input_batch = output_batch = INT64_MAX;
  ExpectInvalid("expected batch 9223372036854775807 * 192");
}

TEST_F(ExecutableTest, RefusesWrongSizes) {
  input.push_back(std::byte{0});
  ExpectInvalid("input 'pixels': has 385 bytes, expected batch 2 * 192 of shape [3,8,8]");
  input.resize(192);
  ExpectInvalid("has 192 bytes");
  input.resize(384);
  output.clear();
  ExpectInvalid("output 'logits': has 0 bytes");
}

TEST_F(ExecutableTest, RefusesCodesThatDoNotFit) {
  graph.tensors[static_cast<size_t>(graph.inputs[0])].type.bits = 4;
  const FakeExecutable four_bits(graph);
  input[200] = std::byte{16};
  const ConstTensorView in{ElementType::kCode, 2, input};
  const TensorView out{ElementType::kAccumulator, 2, output};
  const absl::Status status = four_bits.Run({&in, 1}, {&out, 1}, context);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("input 'pixels': byte 200 holds 16, no 4-bit code"));
}

TEST_F(ExecutableTest, RefusesWhatIsTooLate) {
  context.deadline = absl::Now() - absl::Seconds(1);
  ExpectRefused(absl::StatusCode::kDeadlineExceeded, "deadline");
  const std::atomic<bool> cancelled = true;
  context.cancelled = &cancelled;
  ExpectRefused(absl::StatusCode::kCancelled, "cancelled");
}

class FakeBackend final : public Backend {
 public:
  explicit FakeBackend(std::string name) : name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  Capabilities capabilities() const override { return {}; }
  absl::StatusOr<std::unique_ptr<Executable>> Prepare(const ir::Graph& graph, const PrepareOptions&) const override {
    return std::make_unique<FakeExecutable>(graph);
  }

 private:
  const std::string name_;
};

TEST(BackendRegistryTest, FindsWhatWasRegistered) {
  BackendRegistry registry;
  ASSERT_TRUE(registry.Register(std::make_unique<FakeBackend>("one")).ok());
  ASSERT_TRUE(registry.Register(std::make_unique<FakeBackend>("two")).ok());
  ASSERT_TRUE(registry.Find("two").ok());
  EXPECT_EQ((*registry.Find("two"))->name(), "two");
  EXPECT_THAT(registry.names(), ElementsAre("one", "two"));
  EXPECT_EQ(registry.Register(std::make_unique<FakeBackend>("one")).code(), absl::StatusCode::kAlreadyExists);
}

TEST(BackendRegistryTest, NamesWhatThereIs) {
  BackendRegistry registry;
  EXPECT_THAT(std::string(Message(registry.Find("cpu").status())), HasSubstr("there are: none"));
  ASSERT_TRUE(registry.Register(std::make_unique<FakeBackend>("one")).ok());
  const absl::Status status = registry.Find("cpu").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("no backend 'cpu'; there are: one"));
}

}  // namespace
}  // namespace msq

#include "tests/conformance/conform.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>

#include "absl/strings/str_cat.h"
#include "model/numerics/requantize.h"

namespace msq::conformance {
namespace {

using ir::TensorType;

int64_t values_compared = 0;

struct Mismatch {
  size_t output;
  int64_t sample;  // in the batch
  int64_t index;   // in the sample
  int32_t expected;
  int32_t actual;
};

// A batch in the form that executables take.
class Batch {
 public:
  Batch(const ir::Graph& graph, std::span<const Sample* const> samples) {
    const auto batch = static_cast<int64_t>(samples.size());
    for (size_t i = 0; i < graph.inputs.size(); ++i) {
      std::vector<std::byte> bytes;
      for (const Sample* sample : samples) {
        for (int32_t code : (*sample)[i]) bytes.push_back(static_cast<std::byte>(code));
      }
      inputs_.push_back(std::move(bytes));
      input_views_.push_back({ElementType::kCode, batch, inputs_.back()});
    }
    for (ir::TensorId id : graph.outputs) {
      const TensorType& type = graph.tensors[static_cast<size_t>(id)].type;
      // Not zero: an output that is never written must not look like zeros.
      outputs_.emplace_back(static_cast<size_t>(batch * type.ByteSize()), std::byte{0xa5});
      const bool codes = type.kind == TensorType::Kind::kCode;
      output_views_.push_back({codes ? ElementType::kCode : ElementType::kAccumulator, batch, outputs_.back()});
    }
  }

  absl::Status Run(const Executable& executable) const {
    RunContext context;
    return executable.Run(input_views_, output_views_, context);
  }

  int32_t Output(size_t output, int64_t index) const {
    const std::vector<std::byte>& bytes = outputs_[output];
    if (output_views_[output].type == ElementType::kCode)
      return static_cast<int32_t>(bytes[static_cast<size_t>(index)]);
    int32_t value;
    std::memcpy(&value, bytes.data() + 4 * index, 4);
    return value;
  }

 private:
  std::vector<std::vector<std::byte>> inputs_, outputs_;
  std::vector<ConstTensorView> input_views_;
  std::vector<TensorView> output_views_;
};

// expected[s] are the reference's values of all outputs for the batch's sample s.
std::optional<Mismatch> Compare(const ir::Graph& graph, const Batch& batch,
                                std::span<const std::vector<reference::Values>* const> expected) {
  for (size_t output = 0; output < graph.outputs.size(); ++output) {
    int64_t index = 0;
    for (size_t sample = 0; sample < expected.size(); ++sample) {
      const reference::Values& values = (*expected[sample])[output];
      for (size_t i = 0; i < values.size(); ++i, ++index) {
        const int32_t actual = batch.Output(output, index);
        if (actual != values[i]) {
          return Mismatch{output, static_cast<int64_t>(sample), static_cast<int64_t>(i), values[i], actual};
        }
      }
    }
    values_compared += index;
  }
  return std::nullopt;
}

// The same graph with every tensor an output, to find the first node whose values differ.
ir::Graph WithAllOutputs(const ir::Graph& graph) {
  ir::Graph probe = graph;
  probe.outputs.clear();
  for (const ir::Node& node : graph.nodes) {
    probe.tensors[static_cast<size_t>(node.output)].name = absl::StrCat("tensor ", node.output);
    probe.outputs.push_back(node.output);
  }
  return probe;
}

std::string Describe(const ir::Graph& graph, const Mismatch& mismatch) {
  const ir::TensorId id = graph.outputs[mismatch.output];
  std::string text = absl::StrCat("tensor ", id, " ", ir::ToString(graph.tensors[static_cast<size_t>(id)].type.shape));
  for (const ir::Node& node : graph.nodes) {
    if (node.output == id) absl::StrAppend(&text, " of ", std::string(ir::OpName(node.op)), " node '", node.name, "'");
  }
  return absl::StrCat(text, ", sample ", mismatch.sample, " of the batch, index ", mismatch.index, ": expected ",
                      mismatch.expected, ", got ", mismatch.actual);
}

class Checker {
 public:
  Checker(const ir::Graph& graph, std::span<const Sample> samples) : graph_(graph), samples_(samples) {}

  absl::Status ComputeExpected() {
    for (const Sample& sample : samples_) {
      auto values = reference::Run(graph_, sample);
      if (!values.ok()) return values.status();
      expected_.push_back(*std::move(values));
    }
    return absl::OkStatus();
  }

  // Empty when the engine agrees.
  std::string Check(const Engine& engine) const {
    auto executable = engine.prepare(graph_);
    if (!executable.ok()) return absl::StrCat("Prepare: ", executable.status().ToString());
    const auto count = static_cast<int64_t>(samples_.size());
    for (int64_t size = 1; size <= std::min(kMaxBatch, count); ++size) {
      std::string failure = CheckBatch(engine, **executable, size);
      if (!failure.empty()) return absl::StrCat("batch ", size, ": ", failure);
    }
    return "";
  }

 private:
  std::string CheckBatch(const Engine& engine, const Executable& executable, int64_t size) const {
    std::vector<const Sample*> samples;
    std::vector<const std::vector<reference::Values>*> expected;
    for (int64_t i = 0; i < size; ++i) {
      const size_t index = static_cast<size_t>(i + size) % samples_.size();
      samples.push_back(&samples_[index]);
      expected.push_back(&expected_[index]);
    }
    const Batch batch(graph_, samples);
    if (const absl::Status status = batch.Run(executable); !status.ok()) return status.ToString();
    const std::optional<Mismatch> mismatch = Compare(graph_, batch, expected);
    if (!mismatch) return "";
    return absl::StrCat(Describe(graph_, *mismatch), "\n  first wrong: ", FirstWrongNode(engine, samples));
  }

  std::string FirstWrongNode(const Engine& engine, std::span<const Sample* const> samples) const {
    const ir::Graph probe = WithAllOutputs(graph_);
    auto executable = engine.prepare(probe);
    if (!executable.ok()) return executable.status().ToString();
    std::vector<std::vector<reference::Values>> values;
    for (const Sample* sample : samples) values.push_back(*reference::Run(probe, *sample));
    std::vector<const std::vector<reference::Values>*> expected;
    for (const auto& v : values) expected.push_back(&v);
    const Batch batch(probe, samples);
    if (const absl::Status status = batch.Run(**executable); !status.ok()) return status.ToString();
    const std::optional<Mismatch> mismatch = Compare(probe, batch, expected);
    return mismatch ? Describe(probe, *mismatch) : "none when every tensor is an output: memory is shared wrongly";
  }

  const ir::Graph& graph_;
  const std::span<const Sample> samples_;
  std::vector<std::vector<reference::Values>> expected_;
};

}  // namespace

::testing::AssertionResult ConformOnGraph(const ir::Graph& graph, std::span<const Sample> samples,
                                          const std::string& replay, std::span<const Engine> engines) {
  const int64_t before = values_compared;
  Checker checker(graph, samples);
  if (const absl::Status status = checker.ComputeExpected(); !status.ok()) {
    return ::testing::AssertionFailure() << "reference: " << status << "\n  replay: " << replay;
  }
  for (const Engine& engine : engines) {
    if (const std::string failure = checker.Check(engine); !failure.empty()) {
      return ::testing::AssertionFailure() << engine.name << ", " << failure << "\n  replay: " << replay;
    }
  }
  if (values_compared == before) return ::testing::AssertionFailure() << "nothing was compared\n  replay: " << replay;
  return ::testing::AssertionSuccess();
}

std::vector<Sample> RandomSamples(const ir::Graph& graph, int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Sample> samples;
  for (int64_t s = 0; s < count; ++s) {
    Sample sample;
    for (ir::TensorId id : graph.inputs) {
      const TensorType& type = graph.tensors[static_cast<size_t>(id)].type;
      const int32_t high = numerics::MaxCode(type.bits);
      reference::Values values(static_cast<size_t>(ir::ElementCount(type.shape)));
      for (int32_t& value : values) {
        value = s == 0 ? 0 : s == 1 ? high : static_cast<int32_t>(random() % static_cast<uint64_t>(high + 1));
      }
      sample.push_back(std::move(values));
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

int64_t ValuesCompared() {
  return values_compared;
}

}  // namespace msq::conformance

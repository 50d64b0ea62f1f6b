#include "tests/compatibility/compatibility_platform.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/numbers.h"
#include "base/clock.h"
#include "base/status.h"
#include "server/protocol/response_encoder.h"

namespace msq::server {
namespace {

using Integers = std::vector<int64_t>;
using Tensors = std::vector<std::string>;  // contents, one an output of the model

// Elements of an INT8, INT32 or BYTES tensor; a BYTES element is a decimal number. Works on a copy: the client may write
// to its shared memory meanwhile.
absl::StatusOr<Integers> ReadIntegers(const RequestInput& input) {
  const std::string bytes(input.bytes);
  Integers result;
  if (input.datatype == Datatype::kInt8) {
    for (char value : bytes) result.push_back(static_cast<int8_t>(value));
  }
  for (size_t at = 0; input.datatype != Datatype::kInt8 && at + 4 <= bytes.size(); at += 4) {
    int32_t word = 0;
    std::memcpy(&word, &bytes[at], 4);
    int64_t value = word;
    if (input.datatype == Datatype::kBytes) {
      const std::string text = bytes.substr(at + 4, static_cast<uint32_t>(word));
      if (!absl::SimpleAtoi(text, &value)) return InvalidArgument("'", text, "' is no decimal number");
      at += text.size();
    }
    result.push_back(value);
  }
  return result;
}

std::string WriteIntegers(Datatype datatype, const Integers& values) {
  std::string bytes;
  const auto append_word = [&bytes](uint32_t word) { bytes.append(reinterpret_cast<const char*>(&word), 4); };
  for (int64_t value : values) {
    if (datatype == Datatype::kInt8) {
      bytes.push_back(static_cast<char>(value));
    } else if (datatype == Datatype::kInt32) {
      append_word(static_cast<uint32_t>(value));
    } else {
      const std::string text = std::to_string(value);
      append_word(static_cast<uint32_t>(text.size()));
      bytes += text;
    }
  }
  return bytes;
}

absl::StatusOr<Tensors> AddAndSubtract(InferenceRequest& request) {
  MSQ_ASSIGN_OR_RETURN(Integers sum, ReadIntegers(request.inputs[0]));
  MSQ_ASSIGN_OR_RETURN(const Integers other, ReadIntegers(request.inputs[1]));
  if (sum.size() != other.size()) return InvalidArgument("the inputs differ in length");
  Integers difference = sum;
  for (size_t i = 0; i < sum.size(); ++i) {
    sum[i] += other[i];
    difference[i] -= other[i];
  }
  const Datatype datatype = request.inputs[0].datatype;
  return Tensors{WriteIntegers(datatype, sum), WriteIntegers(datatype, difference)};
}

absl::StatusOr<Tensors> Identity(InferenceRequest& request) {
  return Tensors{std::string(request.inputs[0].bytes)};
}

// The input, plus one at the start of the sequence.
absl::StatusOr<Tensors> AddStart(InferenceRequest& request) {
  MSQ_ASSIGN_OR_RETURN(Integers values, ReadIntegers(request.inputs[0]));
  for (int64_t& value : values) value += request.sequence_start ? 1 : 0;
  return Tensors{WriteIntegers(Datatype::kInt32, values)};
}

// The number that names the sequence, at its end; else 0.
absl::StatusOr<int64_t> IdAtEnd(const InferenceRequest& request) {
  auto id = static_cast<int64_t>(request.sequence.number);
  const std::string& text = request.sequence.text;
  if (!text.empty() && !absl::SimpleAtoi(text, &id)) return InvalidArgument("sequence id '", text, "' is no number");
  return request.sequence_end ? id : 0;
}

// The input, plus one at the start and the sequence's id at its end.
absl::StatusOr<Tensors> AddStartAndId(InferenceRequest& request) {
  MSQ_ASSIGN_OR_RETURN(const int64_t id, IdAtEnd(request));
  MSQ_ASSIGN_OR_RETURN(Integers values, ReadIntegers(request.inputs[0]));
  for (int64_t& value : values) value += id + (request.sequence_start ? 1 : 0);
  return Tensors{WriteIntegers(Datatype::kInt32, values)};
}

// The sum of the sequence's inputs so far, plus the sequence's id at its end.
absl::StatusOr<Tensors> AccumulateAndAddId(InferenceRequest& request) {
  MSQ_ASSIGN_OR_RETURN(const int64_t id, IdAtEnd(request));
  MSQ_ASSIGN_OR_RETURN(Integers values, ReadIntegers(request.inputs[0]));
  if (request.state == nullptr) return FailedPrecondition("the request is no step of a sequence");
  auto& tensors = request.state->tensors;
  if (tensors.empty()) tensors.emplace_back(values.size() * sizeof(int64_t));
  if (tensors[0].size() != values.size() * sizeof(int64_t)) {
    return InvalidArgument("the batch size differs from the sequence's first one");
  }
  for (size_t i = 0; i < values.size(); ++i) {
    tensors[0].as<int64_t>()[i] += values[i];
    values[i] = tensors[0].as<int64_t>()[i] + id;
  }
  return Tensors{WriteIntegers(Datatype::kInt32, values)};
}

struct Kind {
  std::string_view name;
  Datatype datatype;  // of all its tensors
  int64_t length;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;  // shaped as the first input
  absl::StatusOr<Tensors> (*compute)(InferenceRequest&);
};

const std::vector<Kind>& Kinds() {
  using enum Datatype;
  static const std::vector<Kind> kinds = {
      {"simple", kInt32, 16, {"INPUT0", "INPUT1"}, {"OUTPUT0", "OUTPUT1"}, AddAndSubtract},
      {"simple_int8", kInt8, 16, {"INPUT0", "INPUT1"}, {"OUTPUT0", "OUTPUT1"}, AddAndSubtract},
      {"simple_string", kBytes, 16, {"INPUT0", "INPUT1"}, {"OUTPUT0", "OUTPUT1"}, AddAndSubtract},
      {"simple_identity", kBytes, -1, {"INPUT0"}, {"OUTPUT0"}, Identity},
      {"simple_sequence", kInt32, 1, {"INPUT"}, {"OUTPUT"}, AddStart},
      {"simple_dyna_sequence", kInt32, 1, {"INPUT"}, {"OUTPUT"}, AddStartAndId},
      {"simple_string_dyna_sequence", kInt32, 1, {"INPUT"}, {"OUTPUT"}, AccumulateAndAddId},
  };
  return kinds;
}

class ToyInstance final : public Instance {
 public:
  explicit ToyInstance(const Kind& kind) : kind_(kind) {}

  absl::Status Execute(std::span<const RequestPtr> batch) override {
    for (const RequestPtr& request : batch) {
      request->times.gathered = Clock::Real().Now();
      request->failure = Answer(*request);
      request->times.encoded = Clock::Real().Now();
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Answer(InferenceRequest& request) const {
    MSQ_ASSIGN_OR_RETURN(const Tensors tensors, kind_.compute(request));
    request.times.computed = Clock::Real().Now();
    BeginResponse(request);
    for (const RequestedOutput& wanted : request.outputs) {
      const std::string& tensor = tensors[wanted.index];
      MSQ_ASSIGN_OR_RETURN(const std::span<std::byte> room,
                           AddOutput(request, wanted, kind_.datatype, request.inputs[0].shape, tensor.size()));
      std::memcpy(room.data(), tensor.data(), tensor.size());
    }
    return CheckRegions(request);
  }

  const Kind& kind_;
};

class ToyModel final : public Servable {
 public:
  ToyModel(const Kind& kind, const ModelSource& source) : kind_(kind) {
    description_.version = std::to_string(source.version);
    inference::ModelConfig& config = description_.config;
    config = source.config;
    config.set_platform("compatibility");
    config.clear_input();
    config.clear_output();
    const auto type = static_cast<inference::DataType>(kind.datatype);
    const auto describe = [&](const std::string& name, auto* told) {
      told->set_name(name);
      told->set_data_type(type);
      told->add_dims(kind.length);
    };
    for (const std::string& name : kind.inputs) {
      describe(name, config.add_input());
      description_.inputs.push_back({name, {kind.datatype}, {kind.length}});
    }
    for (const std::string& name : kind.outputs) {
      describe(name, config.add_output());
      description_.outputs.push_back({name, kind.datatype, {kind.length}, {}, 0});
    }
  }

  const ModelDescription& description() const override { return description_; }
  const std::vector<std::string>& backends() const override { return backends_; }
  absl::StatusOr<std::unique_ptr<Instance>> NewInstance(std::string_view) const override {
    return std::make_unique<ToyInstance>(kind_);
  }

 private:
  const Kind& kind_;
  const std::vector<std::string> backends_ = {"cpu"};
  ModelDescription description_;
};

class CompatibilityPlatform final : public Platform {
 public:
  std::string_view name() const override { return "compatibility"; }
  absl::StatusOr<std::unique_ptr<Servable>> Load(const ModelSource& source) const override {
    const std::string& name = source.config.name();
    const auto kind = std::find_if(Kinds().begin(), Kinds().end(), [&](const Kind& one) { return one.name == name; });
    if (kind == Kinds().end()) return NotFound("there is no toy model '", name, "'");
    return std::make_unique<ToyModel>(*kind, source);
  }
};

}  // namespace

std::unique_ptr<Platform> CreateCompatibilityPlatform() {
  return std::make_unique<CompatibilityPlatform>();
}

}  // namespace msq::server

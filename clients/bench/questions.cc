#include "clients/bench/questions.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/status.h"

namespace msq::bench {
namespace {

constexpr int kQuestions = 16;
constexpr int64_t kLargestRequest = int64_t{1} << 31;  // what a protobuf message may have

std::string RandomBytes(int64_t count, std::minstd_rand* random) {
  std::string bytes(static_cast<size_t>(count), '\0');
  std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>((*random)() >> 8); });
  return bytes;
}

std::vector<std::string> Outputs(const inference::ModelInferResponse& response) {
  return {response.raw_output_contents().begin(), response.raw_output_contents().end()};
}

// "output 'logits' from byte 12 on"; the precondition is that they differ.
std::string WhereDifferent(const inference::ModelInferResponse& response, const std::vector<std::string>& expected) {
  const auto& outputs = response.raw_output_contents();
  if (static_cast<size_t>(outputs.size()) != expected.size()) {
    return absl::StrCat(outputs.size(), " outputs instead of ", expected.size());
  }
  for (int i = 0; i < outputs.size(); ++i) {
    const std::string& right = expected[static_cast<size_t>(i)];
    if (outputs[i] == right) continue;
    const std::string name = i < response.outputs_size() ? response.outputs(i).name() : absl::StrCat(i);
    const auto at = std::mismatch(outputs[i].begin(), outputs[i].end(), right.begin(), right.end()).first;
    return absl::StrCat("output '", name, "' from byte ", at - outputs[i].begin(), " on");
  }
  return "";
}

}  // namespace

absl::StatusOr<std::unique_ptr<Questions>> Questions::Create(client::Client* client, const std::string& model,
                                                             int64_t batch) {
  MSQ_ASSIGN_OR_RETURN(const auto config, client->ModelConfig(model));
  MSQ_ASSIGN_OR_RETURN(const auto metadata, client->ModelMetadata(model));
  if (batch > std::max(1, config.max_batch_size())) {
    return InvalidArgument("the model takes batches of ", std::max(1, config.max_batch_size()), " at most");
  }
  std::unique_ptr<Questions> questions(new Questions(client));
  std::minstd_rand random(1);
  for (int i = 0; i < kQuestions; ++i) {
    inference::ModelInferRequest& request = questions->requests_.emplace_back();
    request.set_model_name(model);
    for (const auto& tensor : metadata.inputs()) {
      auto* input = request.add_inputs();
      input->set_name(tensor.name());
      input->set_datatype("UINT8");
      int64_t elements = 1;
      for (int d = 0; d < tensor.shape_size(); ++d) {
        const int64_t length = d == 0 && config.max_batch_size() > 0 ? batch : tensor.shape(d);
        if (length < 1 || length > kLargestRequest / elements) {
          return InvalidArgument("input '", tensor.name(), "' has dimension ", length,
                                 ": no request can be made for such a shape");
        }
        input->add_shape(length);
        elements *= length;
      }
      request.add_raw_input_contents(RandomBytes(elements, &random));
    }
  }
  return questions;
}

inference::ModelInferRequest Questions::RequestFor(size_t input, const std::string& backend) const {
  inference::ModelInferRequest request = requests_[input];
  if (!backend.empty()) (*request.mutable_parameters())["backend"].set_string_param(backend);
  return request;
}

absl::StatusOr<int64_t> Questions::CompareAlone(const std::string& backend) {
  int64_t wrong = 0;
  for (size_t i = 0; i < requests_.size(); ++i) {
    MSQ_ASSIGN_OR_RETURN(const auto response, client_.Infer(RequestFor(i, backend)));
    if (expected_.size() <= i) expected_.push_back(Outputs(response));
    if (!IsRight(i, backend, response)) ++wrong;
  }
  return wrong;
}

bool Questions::IsRight(size_t input, const std::string& backend, const inference::ModelInferResponse& response) {
  const std::vector<std::string>& expected = expected_[input];
  const auto& outputs = response.raw_output_contents();
  if (std::equal(outputs.begin(), outputs.end(), expected.begin(), expected.end())) return true;
  std::lock_guard lock(mutex_);
  if (first_difference_.empty()) {
    first_difference_ = absl::StrCat(backend.empty() ? "the server" : absl::StrCat("backend '", backend, "'"),
                                     ", question ", input, ", ", WhereDifferent(response, expected));
  }
  return false;
}

Ask Questions::AskOf(const std::string& backend) {
  return [this, backend](size_t input, std::function<void(const Answer&)> done) {
    client_.InferAsync(RequestFor(input, backend), [this, backend, input, done = std::move(done)](
                                                       const absl::StatusOr<inference::ModelInferResponse>& response) {
      done({response.status(), response.ok() && IsRight(input, backend, *response)});
    });
  };
}

std::string Questions::FirstDifference() const {
  std::lock_guard lock(mutex_);
  return first_difference_;
}

}  // namespace msq::bench

// The two calls that the demo makes: ModelMetadata for names and shapes, ModelInfer for a batch of cells.
#include "demo/reader.h"

#include <cstring>
#include <utility>

#include "base/status.h"

namespace msq::demo {
namespace {

constexpr int64_t kScores = kLastCharacter - kFirstCharacter + 1;

// Elements of one sample: the shape without its batch dimension.
int64_t SampleElements(const inference::ModelMetadataResponse::TensorMetadata& tensor) {
  int64_t elements = 1;
  for (int i = 1; i < tensor.shape_size(); ++i) elements *= tensor.shape(i);
  return elements;
}

}  // namespace

Reader::Reader(std::unique_ptr<client::Client> client, inference::ModelInferRequest request)
    : client_(std::move(client)), request_(std::move(request)) {}

absl::StatusOr<Reader> Reader::Connect(const std::string& url, const std::string& model) {
  MSQ_ASSIGN_OR_RETURN(auto client, client::Client::Connect(url));
  MSQ_ASSIGN_OR_RETURN(const auto metadata, client->ModelMetadata(model));
  if (metadata.inputs_size() != 1 || metadata.outputs_size() != 1 || metadata.inputs(0).shape_size() < 2 ||
      SampleElements(metadata.inputs(0)) != static_cast<int64_t>(Cell{}.size()) ||
      SampleElements(metadata.outputs(0)) != kScores) {
    return FailedPrecondition("model ", model, " does not turn ", kCellPx, "x", kCellPx, " cells into ", kScores,
                              " scores");
  }
  inference::ModelInferRequest request;
  request.set_model_name(model);
  auto* input = request.add_inputs();
  input->set_name(metadata.inputs(0).name());
  input->set_datatype("UINT8");
  *input->mutable_shape() = metadata.inputs(0).shape();
  request.add_outputs()->set_name(metadata.outputs(0).name());
  return Reader(std::move(client), std::move(request));
}

absl::StatusOr<std::string> Reader::Scores(std::span<const Cell> cells, const std::string& backend) {
  request_.mutable_inputs(0)->set_shape(0, static_cast<int64_t>(cells.size()));
  request_.clear_raw_input_contents();
  request_.add_raw_input_contents(cells.data(), cells.size_bytes());
  request_.clear_parameters();
  if (!backend.empty()) (*request_.mutable_parameters())["backend"].set_string_param(backend);
  MSQ_ASSIGN_OR_RETURN(auto response, client_->Infer(request_));
  const size_t scores = cells.size() * kScores;
  if (response.raw_output_contents_size() != 1 || response.raw_output_contents(0).size() != scores * sizeof(float)) {
    return absl::InternalError(absl::StrCat("the answer does not hold ", scores, " FP32 scores"));
  }
  return std::move(*response.mutable_raw_output_contents(0));
}

absl::StatusOr<std::vector<Guess>> Reader::Read(std::span<const Cell> cells, const std::string& backend) {
  MSQ_ASSIGN_OR_RETURN(const std::string bytes, Scores(cells, backend));
  std::vector<float> scores(cells.size() * kScores);
  std::memcpy(scores.data(), bytes.data(), bytes.size());
  std::vector<Guess> guesses;
  for (size_t i = 0; i < cells.size(); ++i) {
    guesses.push_back(BestGuess(std::span(scores).subspan(i * kScores, kScores)));
  }
  return guesses;
}

}  // namespace msq::demo

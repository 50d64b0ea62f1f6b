// The two calls that the demo makes: ModelMetadata for names and shapes, ModelInfer for a batch of cells.
#include "demo/reader.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "proto/inference.grpc.pb.h"

namespace msq::demo {
namespace {

constexpr std::chrono::seconds kTimeout{10};
constexpr int64_t kScores = kLastCharacter - kFirstCharacter + 1;

absl::Status FromGrpc(const grpc::Status& status, const std::string& url) {
  if (status.ok()) return absl::OkStatus();
  return {static_cast<absl::StatusCode>(status.error_code()), absl::StrCat(url, ": ", status.error_message())};
}

// Elements of one sample: the shape without its batch dimension.
int64_t SampleElements(const inference::ModelMetadataResponse::TensorMetadata& tensor) {
  int64_t elements = 1;
  for (int i = 1; i < tensor.shape_size(); ++i) elements *= tensor.shape(i);
  return elements;
}

}  // namespace

class Reader::Impl {
 public:
  Impl(const std::string& url, const std::string& model)
      : url_(url),
        stub_(inference::GRPCInferenceService::NewStub(grpc::CreateChannel(url, grpc::InsecureChannelCredentials()))) {
    request_.set_model_name(model);
  }

  absl::Status Connect() {
    inference::ModelMetadataRequest request;
    request.set_name(request_.model_name());
    inference::ModelMetadataResponse metadata;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kTimeout);
    MSQ_RETURN_IF_ERROR(FromGrpc(stub_->ModelMetadata(&context, request, &metadata), url_));
    if (metadata.inputs_size() != 1 || metadata.outputs_size() != 1 ||
        SampleElements(metadata.inputs(0)) != static_cast<int64_t>(Cell{}.size()) ||
        SampleElements(metadata.outputs(0)) != kScores) {
      return FailedPrecondition("model ", request_.model_name(), " does not turn ", kCellPx, "x", kCellPx,
                                " cells into ", kScores, " scores");
    }
    auto* input = request_.add_inputs();
    input->set_name(metadata.inputs(0).name());
    input->set_datatype("UINT8");
    *input->mutable_shape() = metadata.inputs(0).shape();
    request_.add_outputs()->set_name(metadata.outputs(0).name());
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Guess>> Read(std::span<const Cell> cells) {
    request_.mutable_inputs(0)->set_shape(0, static_cast<int64_t>(cells.size()));
    request_.clear_raw_input_contents();
    request_.add_raw_input_contents(cells.data(), cells.size_bytes());
    inference::ModelInferResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kTimeout);
    MSQ_RETURN_IF_ERROR(FromGrpc(stub_->ModelInfer(&context, request_, &response), url_));
    std::vector<float> scores(cells.size() * kScores);
    if (response.raw_output_contents_size() != 1 ||
        response.raw_output_contents(0).size() != scores.size() * sizeof(float)) {
      return absl::InternalError(absl::StrCat(url_, ": the answer does not hold ", scores.size(), " FP32 scores"));
    }
    std::memcpy(scores.data(), response.raw_output_contents(0).data(), scores.size() * sizeof(float));
    std::vector<Guess> guesses;
    for (size_t i = 0; i < cells.size(); ++i) {
      guesses.push_back(BestGuess(std::span(scores).subspan(i * kScores, kScores)));
    }
    return guesses;
  }

 private:
  std::string url_;
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub_;
  inference::ModelInferRequest request_;
};

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;

absl::StatusOr<std::unique_ptr<Reader>> Reader::Connect(const std::string& url, const std::string& model) {
  auto impl = std::make_unique<Impl>(url, model);
  MSQ_RETURN_IF_ERROR(impl->Connect());
  return std::unique_ptr<Reader>(new Reader(std::move(impl)));
}

absl::StatusOr<std::vector<Guess>> Reader::Read(std::span<const Cell> cells) {
  return impl_->Read(cells);
}

}  // namespace msq::demo

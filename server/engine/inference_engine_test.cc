// The path of a request without gRPC: what is refused and how, what is computed, what is counted.
#include "server/engine/inference_engine.h"

#include <cstring>
#include <future>

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "base/status.h"
#include "model/numerics/edge.h"
#include "model/reference/interpreter.h"
#include "model/testing/sample_model.h"
#include "server/protocol/reason.h"
#include "server/testing/fake_backend.h"
#include "server/testing/test_repository.h"

namespace msq::server {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using msq::testing::SampleModel;

constexpr size_t kElements = 3 * 8 * 8;

class InferenceEngineTest : public ::testing::Test {
 protected:
  InferenceEngineTest() {
    EXPECT_TRUE(backends_.Register(testing::CreateFakeBackend(control_)).ok());
    folder_.AddModel("m", 1, SampleModel());
    folder_.AddModel("single", 1, SampleModel());
    folder_.AddFile("single/config.pbtxt", "max_batch_size: 0");
    repository_ = *ModelRepository::Open(folder_.path(), backends_, {}, &metrics_);
  }

  void Start(InferenceEngine::Options options) {
    engine_ = std::make_unique<InferenceEngine>(*repository_, &metrics_, options);
  }

  // A request of `batch` pictures of one grey.
  static ModelInferRequest Request(int64_t batch = 1, char grey = 100) {
    ModelInferRequest request;
    request.set_model_name("m");
    request.set_id("42");
    auto* input = request.add_inputs();
    input->set_name("pixels");
    input->set_datatype("UINT8");
    for (int64_t dimension : {batch, int64_t{3}, int64_t{8}, int64_t{8}}) input->add_shape(dimension);
    request.add_raw_input_contents(std::string(static_cast<size_t>(batch) * kElements, grey));
    return request;
  }

  absl::Status Infer(const ModelInferRequest& request, ModelInferResponse* response = nullptr) {
    if (engine_ == nullptr) Start({});
    ModelInferResponse ignored;
    std::promise<absl::Status> answer;
    engine_->Infer({&request, response != nullptr ? response : &ignored, absl::InfiniteFuture(), nullptr,
                    [&answer](const absl::Status& status) { answer.set_value(status); }});
    return answer.get_future().get();
  }

  void ExpectRejected(const ModelInferRequest& request, const std::string& message) {
    const absl::Status status = Infer(request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_NE(Message(status).find(message), std::string_view::npos) << status;
    EXPECT_EQ(Message(status).find("[request id: 42] "), 0u) << status;
    EXPECT_EQ(control_->runs(), 0);
  }

  bool MetricsHave(const std::string& line) {
    return prometheus::TextSerializer().Serialize(metrics_.registry()->Collect()).find(line + "\n") !=
           std::string::npos;
  }

  std::shared_ptr<testing::FakeControl> control_ = std::make_shared<testing::FakeControl>();
  testing::TestRepository folder_;
  BackendRegistry backends_;
  Metrics metrics_;
  std::unique_ptr<ModelRepository> repository_;
  std::unique_ptr<InferenceEngine> engine_;
};

TEST_F(InferenceEngineTest, AnswersWithTheReferencesBits) {
  const ir::Model model = SampleModel();
  const ir::TensorType& type = model.graph.tensors[static_cast<size_t>(model.graph.inputs[0])].type;
  reference::Values codes;
  for (size_t i = 0; i < kElements; ++i) {
    const size_t c = i / 64;
    const float real = (77.0f / 255.0f - model.inputs[0].mean[c]) / model.inputs[0].stddev[c];
    codes.push_back(numerics::QuantizeReal(real, type.scale, type.zero_point, type.bits));
  }
  const auto expected = reference::Run(model.graph, std::vector<reference::Values>{codes});
  ASSERT_TRUE(expected.ok());

  ModelInferResponse response;
  ASSERT_TRUE(Infer(Request(2, 77), &response).ok());
  EXPECT_EQ(response.model_name(), "m");
  EXPECT_EQ(response.model_version(), "1");
  EXPECT_EQ(response.id(), "42");
  ASSERT_EQ(response.outputs_size(), 1);
  EXPECT_EQ(response.outputs(0).name(), "logits");
  EXPECT_EQ(response.outputs(0).datatype(), "FP32");
  EXPECT_EQ(std::vector<int64_t>(response.outputs(0).shape().begin(), response.outputs(0).shape().end()),
            (std::vector<int64_t>{2, 10}));
  ASSERT_EQ(response.raw_output_contents(0).size(), 80u);
  for (size_t i = 0; i < 20; ++i) {
    float value;
    std::memcpy(&value, response.raw_output_contents(0).data() + i * 4, 4);
    EXPECT_EQ(value, numerics::DequantizeAccumulator((*expected)[0][i % 10], 0.001f));
  }
  EXPECT_TRUE(MetricsHave("msq_images_total{backend=\"cpu\",model=\"m\",version=\"1\"} 2"));
  EXPECT_TRUE(MetricsHave("msq_requests_total{backend=\"cpu\",model=\"m\",version=\"1\"} 1"));
}

TEST_F(InferenceEngineTest, TypedContentsAndFloatsGiveTheSameAnswer) {
  ModelInferResponse raw, typed, floats;
  ASSERT_TRUE(Infer(Request(), &raw).ok());
  ModelInferRequest request = Request();
  request.clear_raw_input_contents();
  for (size_t i = 0; i < kElements; ++i) request.mutable_inputs(0)->mutable_contents()->add_uint_contents(100);
  ASSERT_TRUE(Infer(request, &typed).ok());
  EXPECT_EQ(typed.raw_output_contents(0), raw.raw_output_contents(0));
  request.mutable_inputs(0)->clear_contents();
  request.mutable_inputs(0)->set_datatype("FP32");
  for (size_t i = 0; i < kElements; ++i) request.mutable_inputs(0)->mutable_contents()->add_fp32_contents(100);
  ASSERT_TRUE(Infer(request, &floats).ok());
  EXPECT_EQ(floats.raw_output_contents(0), raw.raw_output_contents(0));
}

TEST_F(InferenceEngineTest, ModelsWithoutBatchingTakeOneSample) {
  ModelInferRequest request = Request();
  request.set_model_name("single");
  ExpectRejected(request, "unexpected shape for input 'pixels' for model 'single'. Expected [3,8,8], got [1,3,8,8].");
  request.mutable_inputs(0)->mutable_shape()->Clear();
  for (int64_t dimension : {3, 8, 8}) request.mutable_inputs(0)->add_shape(dimension);
  ModelInferResponse response;
  ASSERT_TRUE(Infer(request, &response).ok());
  EXPECT_EQ(response.outputs(0).shape_size(), 1);
}

TEST_F(InferenceEngineTest, ClassificationExtension) {
  ModelInferRequest request = Request(2);
  auto* output = request.add_outputs();
  output->set_name("logits");
  (*output->mutable_parameters())["classification"].set_int64_param(500);  // more than there are: all
  ModelInferResponse response;
  ASSERT_TRUE(Infer(request, &response).ok());
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_EQ(response.outputs(0).shape(1), 10);
  EXPECT_NE(response.raw_output_contents(0).find(":9:nine"), std::string::npos);
  (*request.mutable_outputs(0)->mutable_parameters())["classification"].set_int64_param(0);
  EXPECT_EQ(Infer(request).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(InferenceEngineTest, RejectsWrongTensors) {
  ModelInferRequest request = Request();
  request.mutable_inputs(0)->set_name("pixel");
  ExpectRejected(request, "unexpected inference input 'pixel' for model 'm'");
  request = Request();
  request.mutable_inputs(0)->set_shape(2, 9);
  ExpectRejected(request, "Expected [-1,3,8,8], got [1,3,9,8].");
  for (int64_t batch : {int64_t{0}, int64_t{-1}}) {
    request = Request();
    request.mutable_inputs(0)->set_shape(0, batch);
    ExpectRejected(request, "unexpected shape");
  }
  request.mutable_inputs(0)->set_shape(0, int64_t{1} << 62);
  ExpectRejected(request, "batch-size must be <= 64 for 'm'");
  request = Request();
  request.mutable_inputs(0)->set_datatype("INT8");
  ExpectRejected(request, "inference input 'pixels' data-type is 'INT8', but model 'm' expects 'UINT8'");
  request = Request();
  request.mutable_raw_input_contents(0)->pop_back();
  ExpectRejected(request, "input byte size mismatch for input 'pixels' for model 'm'. Expected 192, got 191");
  request = Request();
  request.clear_inputs();
  ExpectRejected(request, "expected 1 inputs but got 0 inputs for model 'm'");
  request = Request();
  *request.add_inputs() = request.inputs(0);
  ExpectRejected(request, "expected 1 inputs but got 2 inputs");
  request = Request();
  request.add_raw_input_contents("more");
  ExpectRejected(request, "raw_input_contents has 2 entries");
  EXPECT_TRUE(
      MetricsHave("msq_request_failures_total{backend=\"cpu\",model=\"m\",reason=\"bad_request\",version=\"1\"} 10"));
}

TEST_F(InferenceEngineTest, RejectsWrongContentsOutputsAndParameters) {
  ModelInferRequest request = Request();
  request.mutable_inputs(0)->mutable_contents()->add_uint_contents(1);
  ExpectRejected(request, "contents field must not be specified when using raw_input_contents for 'pixels'");
  request.clear_raw_input_contents();
  ExpectRejected(request, "input byte size mismatch");
  for (size_t i = 1; i < kElements; ++i) request.mutable_inputs(0)->mutable_contents()->add_uint_contents(256);
  ExpectRejected(request, "holds a value over 255");
  request.mutable_inputs(0)->clear_contents();
  ExpectRejected(request, "unable to find data for input tensor 'pixels' for model 'm'");
  request = Request();
  request.add_outputs()->set_name("logit");
  ExpectRejected(request, "unexpected inference output 'logit' for model 'm'");
  request = Request();
  request.add_outputs()->set_name("logits");
  request.add_outputs()->set_name("logits");
  ExpectRejected(request, "requested twice");
  request = Request();
  (*request.mutable_parameters())["triton_magic"].set_bool_param(true);
  ExpectRejected(request, "'triton_'");
  request = Request();
  (*request.mutable_parameters())["custom"].set_uint64_param(1);
  ExpectRejected(request, "'custom' has the type uint64");
  request = Request();
  (*request.mutable_inputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("r");
  ExpectRejected(request, "shared memory");
}

TEST_F(InferenceEngineTest, PinsABackendByName) {
  ModelInferRequest request = Request();
  (*request.mutable_parameters())["backend"].set_string_param("cpu");
  (*request.mutable_parameters())["priority"].set_uint64_param(1);
  (*request.mutable_inputs(0)->mutable_parameters())["binary_data_size"].set_int64_param(192);  // KServe sends it
  EXPECT_TRUE(Infer(request).ok());
  (*request.mutable_parameters())["backend"].set_string_param("tpu");
  const absl::Status status = Infer(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(status), "model 'm' has no backend 'tpu'; it has: cpu");
}

TEST_F(InferenceEngineTest, AnswersThatWouldBeTooLargeAreRefusedUnrun) {
  InferenceEngine::Options options;
  options.max_response_bytes = 100;
  Start(options);
  EXPECT_TRUE(Infer(Request(2)).ok());
  EXPECT_EQ(Infer(Request(3)).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(InferenceEngineTest, UnknownModelsMakeNoSeries) {
  ModelInferRequest request = Request();
  request.set_model_name("made-up");
  EXPECT_EQ(Infer(request).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(MetricsHave("msq_unresolved_requests_total 1"));
  EXPECT_EQ(prometheus::TextSerializer().Serialize(metrics_.registry()->Collect()).find("made-up"), std::string::npos);
}

TEST_F(InferenceEngineTest, BackendErrorsReachTheCaller) {
  control_->FailWith(Unavailable("the board is gone"));
  EXPECT_EQ(Infer(Request()), Unavailable("the board is gone"));
  EXPECT_TRUE(
      MetricsHave("msq_request_failures_total{backend=\"cpu\",model=\"m\",reason=\"backend\",version=\"1\"} 1"));
}

TEST_F(InferenceEngineTest, MemoryThatCannotBeHadIsAnError) {
  control_->RunOutOfMemory();
  const absl::Status status = Infer(Request());
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Message(status).find("out of memory"), 0u) << status;
}

TEST_F(InferenceEngineTest, KnownParametersHaveTheirKinds) {
  for (const char* key : {"sequence_start", "sequence_end", "triton_enable_empty_final_response"}) {
    ModelInferRequest request = Request();
    (*request.mutable_parameters())[key].set_int64_param(1);
    ExpectRejected(request, std::string("parameter '") + key + "' must be a bool");
  }
  for (const char* key : {"sequence_id", "priority", "timeout", "backend"}) {
    ModelInferRequest request = Request();
    (*request.mutable_parameters())[key].set_bool_param(true);
    ExpectRejected(request, std::string("parameter '") + key + "' must be a");
  }
  ModelInferRequest request = Request();
  auto& parameters = *request.mutable_parameters();
  for (const char* key : {"sequence_start", "sequence_end", "triton_enable_empty_final_response"}) {
    parameters[key].set_bool_param(true);
  }
  parameters["sequence_id"].set_int64_param(7);
  parameters["timeout"].set_int64_param(1000);
  EXPECT_TRUE(Infer(request).ok());
}

TEST_F(InferenceEngineTest, ClassesCountIntoTheAnswersSize) {
  InferenceEngine::Options options;
  options.max_response_bytes = 500;
  Start(options);
  ModelInferRequest request = Request();
  auto* output = request.add_outputs();
  output->set_name("logits");
  (*output->mutable_parameters())["classification"].set_int64_param(5);
  EXPECT_TRUE(Infer(request).ok());
  (*output->mutable_parameters())["classification"].set_int64_param(10);
  EXPECT_EQ(Infer(request).code(), absl::StatusCode::kInvalidArgument);
}

// One worker is held, so that what comes after it waits.
class QueueTest : public InferenceEngineTest {
 protected:
  struct Pending {
    ModelInferRequest request = Request();
    ModelInferResponse response;
    std::atomic<bool> cancelled{false};
    std::promise<absl::Status> promise;
    std::future<absl::Status> answer = promise.get_future();
  };

  explicit QueueTest(size_t capacity = 1, int64_t bytes = 1 << 20) {
    InferenceEngine::Options options;
    options.workers = 1;
    options.queue_capacity = capacity;
    options.max_queued_bytes = bytes;
    Start(options);
    control_->Hold();
    Send(&running_);
    control_->AwaitHeld(1);
  }

  void Send(Pending* pending, absl::Time deadline = absl::InfiniteFuture()) {
    engine_->Infer({&pending->request, &pending->response, deadline, &pending->cancelled,
                    [pending](const absl::Status& status) { pending->promise.set_value(status); }});
  }

  Pending running_, waiting_;
};

TEST_F(QueueTest, AFullQueueSaysSo) {
  Send(&waiting_);
  EXPECT_TRUE(MetricsHave("msq_queued_requests 1"));
  Pending refused;
  Send(&refused);
  const absl::Status status = refused.answer.get();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status), "Exceeds maximum queue size");
  EXPECT_EQ(Reason(status), "queue_full");
  control_->Release();
  EXPECT_TRUE(running_.answer.get().ok());
  EXPECT_TRUE(waiting_.answer.get().ok());
  EXPECT_TRUE(MetricsHave("msq_queued_requests 0"));
}

class QueuedBytesTest : public QueueTest {
 protected:
  QueuedBytesTest() : QueueTest(100, kElements + 1) {}
};

TEST_F(QueuedBytesTest, AreBounded) {
  Send(&waiting_);
  Pending refused;
  Send(&refused);
  EXPECT_EQ(Reason(refused.answer.get()), "queue_full");
  control_->Release();
  EXPECT_TRUE(waiting_.answer.get().ok());
  EXPECT_TRUE(Infer(Request()).ok());
}

TEST_F(QueueTest, ExpiredRequestsAreNotComputed) {
  Send(&waiting_, absl::Now() + absl::Milliseconds(1));
  absl::SleepFor(absl::Milliseconds(5));
  control_->Release();
  EXPECT_EQ(waiting_.answer.get().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(control_->runs(), 1);
  EXPECT_TRUE(
      MetricsHave("msq_request_failures_total{backend=\"cpu\",model=\"m\",reason=\"deadline\",version=\"1\"} 1"));
}

TEST_F(QueueTest, CancelledRequestsAreNotComputed) {
  Send(&waiting_);
  waiting_.cancelled = true;
  control_->Release();
  EXPECT_EQ(waiting_.answer.get().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(control_->runs(), 1);
  EXPECT_TRUE(
      MetricsHave("msq_request_failures_total{backend=\"cpu\",model=\"m\",reason=\"cancelled\",version=\"1\"} 1"));
}

TEST_F(QueueTest, DestructionAnswersWhatWasAccepted) {
  Send(&waiting_);
  control_->Release();
  engine_.reset();
  EXPECT_TRUE(running_.answer.get().ok());
  EXPECT_TRUE(waiting_.answer.get().ok());
}

}  // namespace
}  // namespace msq::server

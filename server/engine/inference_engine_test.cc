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
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using msq::testing::SampleModel;
using testing::ServingStack;

constexpr size_t kElements = 3 * 8 * 8;

class InferenceEngineTest : public ::testing::Test {
 protected:
  InferenceEngineTest() {
    stack_.folder().AddModel("m", 1, SampleModel());
    stack_.folder().AddModel("single", 1, SampleModel());
    stack_.folder().AddFile("single/config.pbtxt", "max_batch_size: 0");
  }

  void Start(const ServingStack::Options& options) {
    stack_.Open(options);
    started_ = true;
  }

  static ModelInferRequest Request(int64_t batch = 1, char grey = 100) {
    return testing::SampleRequest("m", batch, grey);
  }

  absl::Status Infer(const ModelInferRequest& request, ModelInferResponse* response = nullptr) {
    if (!started_) Start({});
    return stack_.Infer(request, response);
  }

  void ExpectRejected(const ModelInferRequest& request, const std::string& message) {
    const absl::Status status = Infer(request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_NE(Message(status).find(message), std::string_view::npos) << status;
    EXPECT_EQ(Message(status).find("[request id: 42] "), 0u) << status;
    EXPECT_EQ(stack_.control().runs(), 0);
  }

  bool MetricsHave(const std::string& line) { return stack_.MetricsHave(line); }

  ServingStack stack_;
  bool started_ = false;
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
  ExpectRejected(request, "holds the value 256");
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
  ExpectRejected(request, "parameter 'shared_memory_byte_size' of 'pixels' must be an int64 >= 0");
  (*request.mutable_inputs(0)->mutable_parameters())["shared_memory_byte_size"].set_int64_param(192);
  EXPECT_EQ(Infer(request).code(), absl::StatusCode::kNotFound);
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
  ServingStack::Options options;
  options.engine.max_response_bytes = 100;
  Start(options);
  EXPECT_TRUE(Infer(Request(2)).ok());
  const absl::Status status = Infer(Request(3));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(status), "[request id: 42] the answer to batch 3 has 120 bytes, the limit is 100");
  EXPECT_EQ(stack_.control().runs(), 1);
}

TEST_F(InferenceEngineTest, UnknownModelsMakeNoSeries) {
  ModelInferRequest request = Request();
  request.set_model_name("made-up");
  EXPECT_EQ(Infer(request).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(MetricsHave("msq_unresolved_requests_total 1"));
  EXPECT_EQ(prometheus::TextSerializer().Serialize(stack_.metrics().registry()->Collect()).find("made-up"),
            std::string::npos);
}

TEST_F(InferenceEngineTest, BackendErrorsReachTheCaller) {
  stack_.control().FailWith(Unavailable("the board is gone"));
  EXPECT_EQ(Infer(Request()), Unavailable("the board is gone"));
  EXPECT_TRUE(
      MetricsHave("msq_request_failures_total{backend=\"cpu\",model=\"m\",reason=\"backend\",version=\"1\"} 1"));
}

TEST_F(InferenceEngineTest, MemoryThatCannotBeHadIsAnError) {
  stack_.control().RunOutOfMemory();
  const absl::Status status = Infer(Request());
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Message(status), "out of memory: the request needs more than there is");
  EXPECT_EQ(Reason(status), "");
  EXPECT_TRUE(
      MetricsHave("msq_request_failures_total{backend=\"cpu\",model=\"m\",reason=\"backend\",version=\"1\"} 1"));
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
  ServingStack::Options options;
  options.engine.max_response_bytes = 500;
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
  struct Pending : ServingStack::Pending {
    Pending() { request = Request(); }
  };

  QueueTest() {
    options_.workers = 1;
    options_.queue_capacity = 1;
  }

  void HoldOne() {
    Start(options_);
    stack_.control().Hold();
    stack_.Send(&running_);
    stack_.control().AwaitHeld(1);
  }

  ServingStack::Options options_;
  Pending running_, waiting_;
};

TEST_F(QueueTest, AFullQueueSaysSo) {
  HoldOne();
  stack_.Send(&waiting_);
  EXPECT_TRUE(MetricsHave("msq_queued_requests{backend=\"cpu\",model=\"m\",version=\"1\"} 1"));
  Pending refused;
  stack_.Send(&refused);
  const absl::Status status = refused.answer.get();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status), "Exceeds maximum queue size");
  EXPECT_EQ(Reason(status), "queue_full");
  stack_.control().Release();
  EXPECT_TRUE(running_.answer.get().ok());
  EXPECT_TRUE(waiting_.answer.get().ok());
  EXPECT_TRUE(MetricsHave("msq_queued_requests{backend=\"cpu\",model=\"m\",version=\"1\"} 0"));
}

TEST_F(QueueTest, AFullQueueIsExhaustionWhereThatIsWanted) {
  options_.engine.full_is_exhausted = true;
  HoldOne();
  stack_.Send(&waiting_);
  const absl::Status status = Infer(Request());
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Reason(status), "queue_full");
  stack_.control().Release();
  EXPECT_TRUE(running_.answer.get().ok());
  EXPECT_TRUE(waiting_.answer.get().ok());
}

TEST_F(QueueTest, BytesUnderWayAreBounded) {
  options_.queue_capacity = 100;
  options_.engine.max_queued_bytes = static_cast<int64_t>(2 * Request().ByteSizeLong() + 1);
  HoldOne();
  stack_.Send(&waiting_);
  EXPECT_EQ(Reason(Infer(Request())), "queue_full");
  stack_.control().Release();
  EXPECT_TRUE(running_.answer.get().ok());
  EXPECT_TRUE(waiting_.answer.get().ok());
  EXPECT_TRUE(Infer(Request()).ok());
}

TEST_F(QueueTest, ASequenceIdIsNoWayAroundTheBytes) {
  options_.queue_capacity = 100;
  options_.engine.max_queued_bytes = static_cast<int64_t>(2 * Request().ByteSizeLong() + 1);
  HoldOne();
  stack_.Send(&waiting_);
  ModelInferRequest request = Request();
  (*request.mutable_parameters())["sequence_id"].set_int64_param(7);  // which means nothing to this model
  EXPECT_EQ(Reason(Infer(request)), "queue_full");
  stack_.control().Release();
  EXPECT_TRUE(running_.answer.get().ok());
  EXPECT_TRUE(waiting_.answer.get().ok());
}

TEST_F(QueueTest, StepsUnderWayMayTakeAsMuchAgain) {
  stack_.folder().AddFile("m/config.pbtxt", "sequence_batching { oldest { max_candidate_sequences: 4 } }");
  ModelInferRequest step = Request();
  (*step.mutable_parameters())["sequence_id"].set_int64_param(7);
  ModelInferRequest start = step;
  (*start.mutable_parameters())["sequence_start"].set_bool_param(true);
  running_.request = start;
  options_.queue_capacity = 100;
  options_.engine.max_queued_bytes = static_cast<int64_t>(start.ByteSizeLong());
  HoldOne();
  ModelInferRequest other = start;
  (*other.mutable_parameters())["sequence_id"].set_int64_param(8);
  EXPECT_EQ(Infer(other), WithReason(Unavailable("Exceeds maximum queue size"), kQueueFull));  // nothing has begun
  waiting_.request = step;
  stack_.Send(&waiting_);
  Pending beyond;
  beyond.request = step;
  stack_.Send(&beyond);
  EXPECT_EQ(beyond.answer.get(), WithReason(Unavailable("Exceeds maximum queue size"), kQueueFull));
  stack_.control().Release();
  EXPECT_TRUE(running_.answer.get().ok());
  EXPECT_TRUE(waiting_.answer.get().ok());
  const absl::Status ended = Infer(step);  // it hears that a step was left out
  EXPECT_EQ(ended.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(Message(ended).find("must specify the START flag"), std::string_view::npos) << ended;
}

TEST_F(QueueTest, AnswersThatAreHeldCount) {
  options_.engine.max_queued_bytes = 10000;
  HoldOne();
  const absl::Status full = WithReason(Unavailable("Exceeds maximum queue size"), kQueueFull);
  {
    const HeldBytes held = stack_.engine().Hold(9900);
    EXPECT_EQ(Infer(Request()), full);
  }
  stack_.control().Release();
  EXPECT_TRUE(running_.answer.get().ok());
  {
    const HeldBytes held = stack_.engine().Hold(9900);
    EXPECT_TRUE(Infer(Request()).ok());  // no other request is under way
  }
  const HeldBytes held = stack_.engine().Hold(10001);
  EXPECT_EQ(Infer(Request()), full);
}

TEST_F(QueueTest, AnAnsweredRequestKeepsNoModel) {
  stack_.Open({.repository = {.mode = ModelRepository::Mode::kExplicit, .startup_models = {"*"}}});
  std::weak_ptr<const ServedModel> model = *stack_.repository().Find("m", "");
  stack_.Send(&waiting_);  // its handle stays
  EXPECT_TRUE(waiting_.answer.get().ok());
  ASSERT_TRUE(stack_.Unload("m").ok());
  EXPECT_TRUE(testing::Eventually([&] { return model.expired(); }));
  stack_.engine().Cancel(waiting_.handle);  // of no effect
}

TEST_F(QueueTest, ARefusedRequestUsesUpNoTrace) {
  const std::string file = stack_.folder().path() + "/trace.json";
  auto tracer = Tracer::Create(file, {{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"1"}}, {"trace_count", {"1"}}});
  ASSERT_TRUE(tracer.ok()) << tracer.status();
  stack_.Open(options_);
  InferenceEngine::Options tight;
  tight.max_queued_bytes = 1;
  InferenceEngine engine({&stack_.repository(), &stack_.regions(), &stack_.metrics(), tracer->get()}, tight);
  const auto infer = [&] {
    Pending pending;
    InferenceCall call;
    call.request = &pending.request;
    call.response = &pending.response;
    call.done = [&pending](const absl::Status& status) { pending.promise.set_value(status); };
    engine.Infer(std::move(call));
    return pending.answer.get();
  };
  {
    const HeldBytes held = engine.Hold(2);
    EXPECT_EQ(Reason(infer()), "queue_full");
  }
  EXPECT_EQ((*tracer)->Get("")["trace_count"], std::vector<std::string>{"1"});
  EXPECT_TRUE(infer().ok());
  EXPECT_EQ((*tracer)->Get("")["trace_count"], std::vector<std::string>{"0"});
}

TEST_F(QueueTest, ExpiredRequestsAreNotComputed) {
  HoldOne();
  stack_.Send(&waiting_, absl::Now() + absl::Milliseconds(5));
  EXPECT_EQ(waiting_.answer.get().code(), absl::StatusCode::kDeadlineExceeded);  // while the worker is held
  stack_.control().Release();
  EXPECT_TRUE(running_.answer.get().ok());
  EXPECT_EQ(stack_.control().runs(), 1);
  EXPECT_TRUE(
      MetricsHave("msq_request_failures_total{backend=\"cpu\",model=\"m\",reason=\"deadline\",version=\"1\"} 1"));
}

TEST_F(QueueTest, CancelledRequestsLeaveTheirPlace) {
  HoldOne();
  stack_.Send(&waiting_);
  stack_.engine().Cancel(waiting_.handle);
  EXPECT_EQ(waiting_.answer.get().code(), absl::StatusCode::kCancelled);  // while the worker is held
  Pending next;
  stack_.Send(&next);
  stack_.control().Release();
  EXPECT_TRUE(running_.answer.get().ok());
  EXPECT_TRUE(next.answer.get().ok());
  EXPECT_EQ(stack_.control().runs(), 2);
  EXPECT_TRUE(
      MetricsHave("msq_request_failures_total{backend=\"cpu\",model=\"m\",reason=\"cancelled\",version=\"1\"} 1"));
}

}  // namespace
}  // namespace msq::server

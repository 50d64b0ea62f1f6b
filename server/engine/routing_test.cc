// Where requests are computed: on the backend that they pin, on the next one when the first is full or gone, in a batch
// with others, or not at all because the answer is known.
#include <gtest/gtest.h>

#include "base/status.h"
#include "model/testing/sample_model.h"
#include "server/protocol/reason.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using msq::testing::SampleModel;
using testing::ServingStack;

// Two backends with the same bits.
class TwoBackendsTest : public ::testing::Test {
 protected:
  TwoBackendsTest() { stack_.folder().AddModel("m", 1, SampleModel()); }

  void Start(const std::string& config, int64_t queue_capacity = 1) {
    stack_.folder().AddFile("m/config.pbtxt", config);
    ServingStack::Options options;
    options.workers = 1;
    options.queue_capacity = queue_capacity;
    stack_.Open(options);
  }

  static ModelInferRequest Pinned(const std::string& backend) {
    ModelInferRequest request = testing::SampleRequest();
    if (!backend.empty()) (*request.mutable_parameters())["backend"].set_string_param(backend);
    return request;
  }

  ServingStack stack_{{"fpga", "cpu"}};
};

TEST_F(TwoBackendsTest, RequestsGoWhereTheyArePinned) {
  Start("max_batch_size: 8");
  EXPECT_TRUE(stack_.Infer(Pinned("")).ok());
  EXPECT_EQ(stack_.control(0).runs(), 1);
  EXPECT_TRUE(stack_.Infer(Pinned("cpu")).ok());
  EXPECT_EQ(stack_.control(1).runs(), 1);
  EXPECT_EQ(stack_.control(0).runs(), 1);
}

TEST_F(TwoBackendsTest, InstanceGroupsChooseTheBackends) {
  Start("max_batch_size: 8 instance_group { kind: KIND_CPU count: 2 }");
  EXPECT_TRUE(stack_.Infer(Pinned("")).ok());
  EXPECT_EQ(stack_.control(1).runs(), 1);
  EXPECT_TRUE(absl::IsInvalidArgument(stack_.Infer(Pinned("fpga"))));
}

TEST_F(TwoBackendsTest, ALostBackendFallsBackUnlessToldNotTo) {
  Start("max_batch_size: 8");
  ModelInferResponse healthy, fallen;
  ASSERT_TRUE(stack_.Infer(Pinned(""), &healthy).ok());
  stack_.control(0).FailWith(Unavailable("the board is gone"));
  ASSERT_TRUE(stack_.Infer(Pinned(""), &fallen).ok());
  EXPECT_EQ(fallen.raw_output_contents(0), healthy.raw_output_contents(0));
  EXPECT_EQ(stack_.control(1).runs(), 1);
  EXPECT_TRUE(stack_.MetricsHave("msq_failovers_total{backend=\"fpga\",model=\"m\",version=\"1\"} 1"));
}

TEST_F(TwoBackendsTest, WithoutFallbackTheErrorIsTheAnswer) {
  Start("max_batch_size: 8 parameters { key: 'fallback' value { string_value: 'false' } }");
  stack_.control(0).FailWith(Unavailable("the board is gone"));
  EXPECT_EQ(stack_.Infer(Pinned("")), Unavailable("the board is gone"));
}

TEST_F(TwoBackendsTest, AFullQueueOverflowsWhereThatIsWanted) {
  Start("max_batch_size: 8 parameters { key: 'overflow' value { string_value: 'true' } }");
  stack_.control(0).Hold();
  ServingStack::Pending running, waiting;
  running.request = waiting.request = Pinned("");
  stack_.Send(&running);
  stack_.control(0).AwaitHeld(1);
  stack_.Send(&waiting);
  EXPECT_TRUE(stack_.Infer(Pinned("")).ok());
  EXPECT_EQ(stack_.control(1).runs(), 1);
  EXPECT_EQ(Reason(stack_.Infer(Pinned("fpga"))), "queue_full");
  stack_.control(0).Release();
  EXPECT_TRUE(running.answer.get().ok());
  EXPECT_TRUE(waiting.answer.get().ok());
}

// A batch's neighbours have no part in an answer.
TEST_F(TwoBackendsTest, AnswersAreTheSameInAnyCompany) {
  Start("max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 100000 preferred_batch_size: 4 }", 4);
  std::vector<std::string> alone;
  for (char grey = 0; grey < 4; ++grey) {
    ModelInferResponse response;
    ModelInferRequest request = testing::SampleRequest("m", 4, grey);  // closes at once
    ASSERT_TRUE(stack_.Infer(request, &response).ok());
    alone.push_back(response.raw_output_contents(0).substr(0, 40));
  }
  const int runs = stack_.control(0).runs();
  std::vector<ServingStack::Pending> together(4);
  for (char grey = 0; grey < 4; ++grey) {
    together[static_cast<size_t>(grey)].request = testing::SampleRequest("m", 1, grey);
    stack_.Send(&together[static_cast<size_t>(grey)]);
  }
  for (size_t i = 0; i < together.size(); ++i) {
    ASSERT_TRUE(together[i].answer.get().ok());
    EXPECT_EQ(together[i].response.raw_output_contents(0), alone[i]);
  }
  EXPECT_EQ(stack_.control(0).runs(), runs + 1);
  EXPECT_TRUE(
      stack_.MetricsHave("msq_batches_total{backend=\"fpga\",model=\"m\",reason=\"preferred\",version=\"1\"} 5"));
}

// Answers that were computed before.
class CacheTest : public ::testing::Test {
 protected:
  CacheTest() {
    stack_.folder().AddModel("m", 1, SampleModel());
    stack_.folder().AddFile("m/config.pbtxt", "max_batch_size: 8 response_cache { enable: true }");
    ServingStack::Options options;
    options.cache_bytes = 1 << 20;
    stack_.Open(options);
  }
  ServingStack stack_;
};

TEST_F(CacheTest, TheSameQuestionIsComputedOnce) {
  ModelInferResponse first, second;
  ModelInferRequest request = testing::SampleRequest();
  ASSERT_TRUE(stack_.Infer(request, &first).ok());
  request.set_id("another");
  ASSERT_TRUE(stack_.Infer(request, &second).ok());
  EXPECT_EQ(stack_.control().runs(), 1);
  EXPECT_EQ(second.id(), "another");
  EXPECT_EQ(second.raw_output_contents(0), first.raw_output_contents(0));
  inference::ModelStatistics statistics;
  (*stack_.repository().Find("m", ""))->statistics().Fill(&statistics);
  EXPECT_EQ(statistics.inference_stats().cache_hit().count(), 1u);
  EXPECT_EQ(statistics.inference_stats().cache_miss().count(), 1u);
  EXPECT_EQ(statistics.inference_stats().success().count(), 2u);
  EXPECT_EQ(statistics.execution_count(), 1u);
}

TEST_F(CacheTest, OtherQuestionsAreComputed) {
  ASSERT_TRUE(stack_.Infer(testing::SampleRequest()).ok());
  ASSERT_TRUE(stack_.Infer(testing::SampleRequest("m", 1, 101)).ok());
  ModelInferRequest request = testing::SampleRequest();
  auto* output = request.add_outputs();
  output->set_name("logits");
  (*output->mutable_parameters())["classification"].set_int64_param(1);
  ASSERT_TRUE(stack_.Infer(request).ok());
  request = testing::SampleRequest();
  (*request.mutable_parameters())["backend"].set_string_param("cpu");  // asks for a computation
  ASSERT_TRUE(stack_.Infer(request).ok());
  EXPECT_EQ(stack_.control().runs(), 4);
}

}  // namespace
}  // namespace msq::server

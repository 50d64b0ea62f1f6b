// Many clients at once: they infer, cancel and run out of time while models are loaded, unloaded and looked at. Every
// request is answered once, with the right bits or with an error that the situation allows.
//
// MSQ_STRESS_SECONDS sets how long (default: 2).
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "absl/strings/numbers.h"
#include "model/testing/sample_model.h"
#include "server/protocol/reason.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using testing::SampleRequest;
using testing::ServingStack;

const char* const kModels[] = {"alone", "batched", "ordered", "steps"};

class StressTest : public ::testing::Test {
 protected:
  StressTest() {
    for (const char* name : kModels) stack_.folder().AddModel(name, 1, msq::testing::SampleModel());
    stack_.folder().AddFile("alone/config.pbtxt", "max_batch_size: 4");
    stack_.folder().AddFile("batched/config.pbtxt",
                            "max_batch_size: 8 response_cache { enable: true } dynamic_batching { "
                            "preferred_batch_size: [4, 8] max_queue_delay_microseconds: 500 priority_levels: 2 "
                            "default_priority_level: 2 default_queue_policy { max_queue_size: 16 } }");
    stack_.folder().AddFile("ordered/config.pbtxt",
                            "max_batch_size: 8 dynamic_batching { preserve_ordering: true "
                            "max_queue_delay_microseconds: 200 }");
    stack_.folder().AddFile("steps/config.pbtxt",
                            "max_batch_size: 4 sequence_batching { max_sequence_idle_microseconds: 20000 oldest { "
                            "max_candidate_sequences: 4 } }");
    ServingStack::Options options;
    options.repository.mode = ModelRepository::Mode::kExplicit;
    options.repository.startup_models = {"*"};
    options.cache_bytes = 1 << 16;
    stack_.Open(options);
    for (int grey = 0; grey < kGreys; ++grey) {
      inference::ModelInferResponse response;
      EXPECT_TRUE(stack_.Infer(SampleRequest("alone", 1, static_cast<char>(grey)), &response).ok());
      expected_.push_back(response.raw_output_contents(0));
    }
  }

  // Until the time is over.
  template <typename Action>
  void Repeat(Action action) {
    while (absl::Now() < end_) action();
  }

  void InferLikeAClient(uint32_t seed) {
    std::mt19937 random(seed);
    uint64_t sequence = uint64_t{seed} << 32;
    Repeat([&] {
      std::vector<ServingStack::Pending> calls(1 + random() % 4);
      std::vector<int> greys;
      for (ServingStack::Pending& call : calls) {
        const char* model = kModels[random() % std::size(kModels)];
        greys.push_back(static_cast<int>(random() % kGreys));
        call.request = SampleRequest(model, 1 + random() % 3 % (std::string_view(model) == "steps" ? 1 : 3),
                                     static_cast<char>(greys.back()));
        auto& parameters = *call.request.mutable_parameters();
        if (std::string_view(model) == "steps") {
          const bool start = random() % 3 == 0;
          sequence += start ? 1 : 0;
          parameters["sequence_id"].set_uint64_param(sequence + 1);
          parameters["sequence_start"].set_bool_param(start);
          parameters["sequence_end"].set_bool_param(random() % 4 == 0);
        }
        if (random() % 4 == 0) parameters["priority"].set_uint64_param(1 + random() % 2);
        const bool hurried = random() % 8 == 0;
        stack_.Send(&call, hurried ? absl::Now() + absl::Microseconds(random() % 2000) : absl::InfiniteFuture());
        if (random() % 5 == 0) stack_.engine().Cancel(call.handle);
      }
      for (size_t i = 0; i < calls.size(); ++i) Check(calls[i], greys[i]);
    });
  }

  void Check(ServingStack::Pending& call, int grey) {
    const absl::Status status = call.answer.get();
    ++answers_;
    if (status.ok()) {
      ++computed_;
      const std::string& bytes = call.response.raw_output_contents(0);
      for (size_t at = 0; at < bytes.size(); at += expected_[0].size()) {
        ASSERT_EQ(bytes.substr(at, expected_[0].size()), expected_[static_cast<size_t>(grey)]);
      }
      return;
    }
    const bool model_is_away = absl::IsNotFound(status) || Reason(status) == kModelNotReady;
    const bool given_up = absl::IsCancelled(status) || absl::IsDeadlineExceeded(status) || absl::IsAborted(status);
    const bool no_such_sequence = absl::IsInvalidArgument(status) && call.request.model_name() == "steps";
    ASSERT_TRUE(model_is_away || given_up || no_such_sequence || Reason(status) == kQueueFull) << status;
  }

  static constexpr int kGreys = 5;
  ServingStack stack_;
  std::vector<std::string> expected_;
  absl::Time end_;
  std::atomic<int> answers_{0}, computed_{0};
};

TEST_F(StressTest, NothingIsLostWhateverHappensAtOnce) {
  int seconds = 2;
  if (const char* text = std::getenv("MSQ_STRESS_SECONDS")) {
    ASSERT_TRUE(absl::SimpleAtoi(text, &seconds));
  }
  end_ = absl::Now() + absl::Seconds(seconds);
  std::vector<std::thread> threads;
  for (uint32_t seed = 1; seed <= 6; ++seed) threads.emplace_back([this, seed] { InferLikeAClient(seed); });
  threads.emplace_back([this] {
    std::mt19937 random(99);
    Repeat([&] {
      const std::string model = kModels[random() % std::size(kModels)];
      std::promise<absl::Status> done;
      const auto tell = [&done](const absl::Status& status) { done.set_value(status); };
      if (random() % 3 == 0) {
        stack_.repository().Unload(model, tell);
      } else {
        stack_.repository().Load(model, {}, tell);
      }
      const absl::Status status = done.get_future().get();
      ASSERT_TRUE(status.ok()) << status;
      absl::SleepFor(absl::Milliseconds(random() % 5));
    });
  });
  threads.emplace_back([this] {
    Repeat([this] {
      for (const auto& model : stack_.repository().ReadyModels("")) {
        inference::ModelStatistics statistics;
        model->statistics().Fill(&statistics);
      }
      stack_.repository().Index();
      stack_.metrics().registry()->Collect();
      absl::SleepFor(absl::Milliseconds(1));
    });
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(computed_, 0);
  // An answer is counted just after it was given.
  EXPECT_TRUE(testing::Eventually([this] { return stack_.engine().accepted() == stack_.engine().answered(); }))
      << stack_.engine().accepted() << " accepted, " << stack_.engine().answered() << " answered";
  RecordProperty("answers", answers_);
  RecordProperty("computed", computed_);
}

}  // namespace
}  // namespace msq::server

// Explicit model control: loads, unloads and reloads while clients go on.
#include <algorithm>
#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "model/format/artifact.h"
#include "model/testing/sample_model.h"
#include "server/models/model_repository.h"
#include "server/protocol/reason.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using msq::testing::SampleModel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kWarmUp[] = R"(model_warmup {
  name: "one" inputs { key: "pixels" value { data_type: TYPE_UINT8 dims: [ 3, 8, 8 ] zero_data: true } } })";

class ModelControlTest : public ::testing::Test {
 protected:
  ModelControlTest() {
    folder_.AddModel("m", 1, SampleModel());
    folder_.AddModel("other", 1, SampleModel());
  }

  ModelRepository::Options Options(std::vector<std::string> startup = {}) {
    return {.mode = ModelRepository::Mode::kExplicit,
            .startup_models = std::move(startup),
            .ready_changed = [this](const std::string& model, bool ready) {
              std::lock_guard lock(mutex_);
              changes_.push_back(model + (ready ? " ready" : " gone"));
            }};
  }
  void Open(std::vector<std::string> startup = {}) { stack_.Open({.repository = Options(std::move(startup))}); }

  absl::Status Infer(const std::string& model, const std::string& version = "") {
    inference::ModelInferRequest request = testing::SampleRequest(model);
    request.set_model_version(version);
    return stack_.Infer(request);
  }

  // A load that waits until its warm-up is released.
  std::future<absl::Status> StartSlowLoad(const std::string& name) {
    stack_.control().Hold();
    auto loaded = std::make_shared<std::promise<absl::Status>>();
    stack_.repository().Load(name, {}, [loaded](const absl::Status& status) { loaded->set_value(status); });
    stack_.control().AwaitHeld(1);
    return loaded->get_future();
  }

  std::vector<std::string> Changes() {
    std::lock_guard lock(mutex_);
    return changes_;
  }

  testing::ServingStack stack_;
  testing::TestRepository& folder_ = stack_.folder();
  std::mutex mutex_;
  std::vector<std::string> changes_;
};

TEST_F(ModelControlTest, NothingIsLoadedUnasked) {
  Open();
  EXPECT_TRUE(stack_.repository().AllReady());
  EXPECT_EQ(stack_.IndexText(), "m  UNAVAILABLE: not loaded\nother  UNAVAILABLE: not loaded\n");
  EXPECT_EQ(Message(stack_.repository().Find("m", "").status()), "Request for unknown model: 'm' is not found");
}

TEST_F(ModelControlTest, StartupModels) {
  Open({"m"});
  EXPECT_EQ(stack_.IndexText(), "m 1 READY\nother  UNAVAILABLE: not loaded\n");
  Open({"x", "*"});
  EXPECT_EQ(stack_.IndexText(), "m 1 READY\nother 1 READY\n");
  Open({"m", "x"});
  EXPECT_FALSE(stack_.repository().AllReady());
  EXPECT_THAT(stack_.IndexText(), HasSubstr("x  UNAVAILABLE: "));
  EXPECT_TRUE(stack_.Unload("x").ok());
  EXPECT_TRUE(stack_.repository().AllReady());
  const auto escape = ModelRepository::Open(
      {.path = folder_.path(), .mode = ModelRepository::Mode::kExplicit, .startup_models = {"../m"}}, stack_.runtime());
  EXPECT_EQ(escape.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ModelControlTest, LoadAndUnload) {
  Open();
  ASSERT_TRUE(stack_.Load("m").ok());
  EXPECT_TRUE(Infer("m").ok());
  ASSERT_TRUE(stack_.Unload("m").ok());
  const std::string unloaded = "m 1 UNAVAILABLE: unloaded\nother  UNAVAILABLE: not loaded\n";
  EXPECT_TRUE(testing::Eventually([&] { return stack_.IndexText() == unloaded; })) << stack_.IndexText();
  EXPECT_EQ(Message(stack_.repository().Find("m", "").status()),
            "Request for unknown model: 'm' has no available versions");
  EXPECT_EQ(Message(stack_.repository().Find("m", "1").status()),
            "Request for model 'm': version 1 is not at ready state");
  EXPECT_TRUE(stack_.repository().AllReady());
  EXPECT_TRUE(stack_.Unload("m").ok());
  EXPECT_TRUE(stack_.Unload("other").ok());
  ASSERT_TRUE(stack_.Load("m").ok());
  EXPECT_TRUE(Infer("m").ok());
  EXPECT_THAT(Changes(), ElementsAre("m ready", "m gone", "m gone", "m ready"));
}

TEST_F(ModelControlTest, UnknownModels) {
  Open();
  const absl::Status status = stack_.Load("x");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("failed to load 'x', failed to poll from model repository"));
  EXPECT_EQ(stack_.Unload("x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(stack_.repository().Index().size(), 2u);  // made-up names leave no trace
  EXPECT_THAT(stack_.MetricsText(), Not(HasSubstr("model=\"x\"")));
}

TEST_F(ModelControlTest, NamesDoNotLeaveTheRepository) {
  Open();
  folder_.AddModel("m/1/nested", 1, SampleModel());
  using namespace std::string_literals;
  for (const std::string& name :
       {""s, "."s, ".."s, "../m"s, "m/1/nested"s, "/m"s, "m/"s, "m\0"s, "m\n"s, "\xc3\xa9"s, std::string(256, 'a')}) {
    const absl::Status status = stack_.Load(name);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    const std::string message(Message(status));
    EXPECT_EQ(message.find("failed to load '"), 0u) << message;
    EXPECT_THAT(message, HasSubstr("': a model's name is 1 to 255 printable ASCII characters without '/'")) << name;
    const absl::Status unload = stack_.Unload(name);
    EXPECT_EQ(unload.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(Message(unload)), HasSubstr("': a model's name is 1 to 255 printable")) << name;
  }
}

TEST_F(ModelControlTest, VersionsThatThePolicyMissesAreWarnedOf) {
  folder_.AddFile("m/config.pbtxt", "version_policy { specific { versions: [ 1, 9 ] } }");
  Open();
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(stack_.Load("m").ok());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("WARNING model 'm': version_policy asks for version 9, which is not there"));
}

TEST_F(ModelControlTest, AReloadTakesWhatIsThereNow) {
  Open({"m"});
  const auto old = *stack_.repository().Find("m", "");
  ASSERT_TRUE(stack_.Load("m").ok());
  EXPECT_NE(*stack_.repository().Find("m", ""), old);  // though nothing changed
  folder_.AddModel("m", 2, SampleModel());
  ASSERT_TRUE(stack_.Load("m").ok());
  EXPECT_THAT(stack_.repository().ReadyVersions("m"), ElementsAre("2"));
  EXPECT_THAT(stack_.MetricsText(), Not(HasSubstr("msq_model_ready{model=\"m\",version=\"1\"}")));
  EXPECT_THAT(Changes(), ElementsAre("m ready", "m ready", "m ready"));
}

TEST_F(ModelControlTest, AFailedReloadLeavesTheOldVersions) {
  Open({"m"});
  const auto old = *stack_.repository().Find("m", "");
  folder_.AddFile("m/2/model.msq", "rubbish");
  const absl::Status status = stack_.Load("m");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("failed to load 'm': version 2: "));
  EXPECT_EQ(*stack_.repository().Find("m", ""), old);
  EXPECT_THAT(stack_.IndexText(), HasSubstr("m 1 READY: ready as before; the last load failed: "));
  EXPECT_THAT(stack_.IndexText(), HasSubstr("m 2 UNAVAILABLE: "));
  EXPECT_TRUE(stack_.repository().AllReady());
  EXPECT_THAT(stack_.MetricsText(), HasSubstr("msq_model_ready{model=\"m\",version=\"2\"} 0"));

  folder_.AddFile("m/config.pbtxt", "max_batch_size: -1");
  EXPECT_EQ(stack_.Load("m").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(*stack_.repository().Find("m", ""), old);

  folder_.Remove("m/config.pbtxt");
  folder_.Remove("m/2");
  ASSERT_TRUE(stack_.Load("m").ok());
  EXPECT_EQ(stack_.IndexText(), "m 1 READY\nother  UNAVAILABLE: not loaded\n");
  EXPECT_THAT(stack_.MetricsText(), Not(HasSubstr("version=\"2\"")));
}

TEST_F(ModelControlTest, AModelWhoseFolderIsGoneServesUntilItIsUnloaded) {
  Open({"m"});
  folder_.Remove("m");
  EXPECT_THAT(std::string(Message(stack_.Load("m"))), HasSubstr("failed to poll from model repository"));
  EXPECT_TRUE(Infer("m").ok());
  EXPECT_TRUE(stack_.Unload("m").ok());
  EXPECT_EQ(stack_.IndexText(), "other  UNAVAILABLE: not loaded\n");
}

TEST_F(ModelControlTest, AConfigurationMayComeWithTheRequest) {
  folder_.AddFile("m/config.pbtxt", "max_batch_size: 3");
  Open({"m"});
  const auto max_batch_size = [&] {
    return (*stack_.repository().Find("m", ""))->description().config.max_batch_size();
  };
  EXPECT_EQ(max_batch_size(), 3);
  ASSERT_TRUE(stack_.Load("m", {.config = R"({"max_batch_size": "16"})"}).ok());
  EXPECT_EQ(max_batch_size(), 16);
  const absl::Status status = stack_.Load("m", {.config = R"({"max_batch_size": "many"})"});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("failed to load 'm': parameter 'config': "));
  EXPECT_EQ(max_batch_size(), 16);
  ASSERT_TRUE(stack_.Load("m").ok());
  EXPECT_EQ(max_batch_size(), 3);
}

TEST_F(ModelControlTest, ArtifactsMayComeWithTheRequest) {
  Open({"m"});
  const std::string bytes = *format::Serialize(SampleModel());
  const std::string all = R"({"version_policy": {"all": {}}})";
  ASSERT_TRUE(stack_.Load("m", {.config = all, .files = {{"7/model.msq", bytes}, {"8/model.msq", bytes}}}).ok());
  EXPECT_THAT(stack_.repository().ReadyVersions("m"), ElementsAre("7", "8"));
  EXPECT_TRUE(Infer("m", "7").ok());
  const absl::Status status = stack_.Load("m", {.config = "{}", .files = {{"9/model.msq", bytes.substr(0, 100)}}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("file:9/model.msq"));
  EXPECT_TRUE(Infer("m", "8").ok());
  EXPECT_EQ(stack_.Load("m", {.config = "{}", .files = {{"x/model.msq", bytes}}}).code(),
            absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(stack_.Load("m").ok());
  EXPECT_THAT(stack_.repository().ReadyVersions("m"), ElementsAre("1"));

  // One that has no folder goes when it is unloaded.
  ASSERT_TRUE(stack_.Load("guest", {.config = "{}", .files = {{"1/model.msq", bytes}}}).ok());
  EXPECT_TRUE(Infer("guest").ok());
  ASSERT_TRUE(stack_.Unload("guest").ok());
  EXPECT_EQ(stack_.repository().Find("guest", "").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(stack_.IndexText(), Not(HasSubstr("guest")));
}

TEST_F(ModelControlTest, ALoadUnderWayIsVisibleAndHoldsUpNobodyElse) {
  Open();
  folder_.AddFile("m/config.pbtxt", kWarmUp);
  auto slow = StartSlowLoad("m");
  EXPECT_THAT(stack_.IndexText(), HasSubstr("m 1 LOADING\n"));
  for (const char* version : {"", "1"}) {
    const absl::Status status = stack_.repository().Find("m", version).status();
    EXPECT_EQ(Message(status), "Request for model 'm': version 1 is not at ready state: it is being loaded");
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(Reason(status), kModelNotReady);
  }
  EXPECT_TRUE(stack_.repository().AllReady());  // it was not there at the start
  EXPECT_TRUE(stack_.Load("other").ok());
  EXPECT_THAT(stack_.IndexText(), HasSubstr("other 1 READY\n"));
  stack_.control().Release();
  EXPECT_TRUE(slow.get().ok());
  EXPECT_TRUE(stack_.repository().Find("m", "").ok());
}

TEST_F(ModelControlTest, AReloadUnderWayLeavesTheOldVersionReady) {
  Open({"m"});
  const auto old = *stack_.repository().Find("m", "");
  folder_.AddFile("m/config.pbtxt", kWarmUp);
  folder_.AddModel("m", 2, SampleModel());
  auto slow = StartSlowLoad("m");
  EXPECT_EQ(*stack_.repository().Find("m", ""), old);
  EXPECT_THAT(stack_.IndexText(), HasSubstr("m 1 READY\nm 2 LOADING\n"));
  stack_.control().Release();
  EXPECT_TRUE(slow.get().ok());
  EXPECT_THAT(stack_.repository().ReadyVersions("m"), ElementsAre("2"));
}

TEST_F(ModelControlTest, RequestsThatWereAcceptedAreAnsweredAfterTheUnload) {
  Open({"m"});
  stack_.control().Hold();
  testing::ServingStack::Pending pending;
  pending.request = testing::SampleRequest("m");
  stack_.Send(&pending);
  stack_.control().AwaitHeld(1);
  ASSERT_TRUE(stack_.Unload("m").ok());
  EXPECT_THAT(stack_.IndexText(), HasSubstr("m 1 UNLOADING: unloaded\n"));
  EXPECT_EQ(Message(stack_.repository().Find("m", "1").status()),
            "Request for model 'm': version 1 is not at ready state: it is being unloaded");
  stack_.control().Release();
  EXPECT_TRUE(pending.answer.get().ok());
}

TEST_F(ModelControlTest, RequestsThatWaitForCompanyDoNotOutliveTheirVersion) {
  folder_.AddFile("m/config.pbtxt", "dynamic_batching { max_queue_delay_microseconds: 3600000000 }");
  Open({"m"});
  for (const bool unload : {false, true}) {
    testing::ServingStack::Pending pending;
    pending.request = testing::SampleRequest("m");
    stack_.Send(&pending);
    EXPECT_EQ(stack_.control().runs(), unload ? 1 : 0);
    ASSERT_TRUE((unload ? stack_.Unload("m") : stack_.Load("m")).ok());
    EXPECT_TRUE(pending.answer.get().ok());
  }
}

TEST_F(ModelControlTest, TheEndRefusesLoadsThatWait) {
  Open();
  folder_.AddFile("m/config.pbtxt", kWarmUp);
  auto first = StartSlowLoad("m");
  std::promise<absl::Status> second;
  stack_.repository().Load("m", {}, [&](const absl::Status& status) { second.set_value(status); });
  auto end = std::async(std::launch::async, [this] { Open(); });
  EXPECT_EQ(end.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  stack_.control().Release();
  EXPECT_TRUE(first.get().ok());
  const absl::Status status = second.get_future().get();
  // On a machine so busy that the end has not begun by now, the load is still in time.
  EXPECT_TRUE(status.ok() || Reason(status) == kShuttingDown) << status;
}

TEST_F(ModelControlTest, TheEndCutsAWarmUpShort) {
  folder_.AddFile("m/config.pbtxt",
                  "model_warmup { name: 'long' count: 60000 inputs { key: 'pixels' value {"
                  " data_type: TYPE_UINT8 dims: [ 3, 8, 8 ] zero_data: true } } }");
  folder_.AddModel("m", 2, SampleModel());
  Open();
  auto loaded = StartSlowLoad("m");
  stack_.repository().StopLoading();
  stack_.control().Release();
  const absl::Status status = loaded.get();
  EXPECT_EQ(Reason(status), kShuttingDown) << status;
  EXPECT_EQ(stack_.control().runs(), 1);  // neither the other requests nor the other version
}

TEST_F(ModelControlTest, LoadsThatWaitAreBounded) {
  Open();
  folder_.AddFile("m/config.pbtxt", kWarmUp);
  auto slow = StartSlowLoad("m");
  std::atomic<int> refused{0}, answered{0};
  constexpr int kLoads = 1000;
  for (int i = 0; i < kLoads; ++i) {
    stack_.repository().Unload("m", [&](const absl::Status& status) {
      if (status == WithReason(Unavailable("failed to unload 'm': too many loads wait"), kQueueFull)) ++refused;
      ++answered;
    });
  }
  const absl::Status load = stack_.Load("m");
  EXPECT_EQ(load, WithReason(Unavailable("failed to load 'm': too many loads wait"), kQueueFull)) << load;
  EXPECT_GT(refused, kLoads / 2);
  stack_.control().Release();
  EXPECT_TRUE(slow.get().ok());
  Open();  // the old repository ends first
  EXPECT_EQ(answered, kLoads);
}

TEST_F(ModelControlTest, NoRequestFailsWhileVersionsAreSwapped) {
  folder_.AddModel("m", 2, SampleModel());
  Open({"m"});
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0}, answers{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (!stop) {
        const absl::Status status = Infer("m");
        ++answers;
        if (status.ok()) continue;
        ++failures;
        ADD_FAILURE() << status;
      }
    });
  }
  for (int i = 0; i < 60; ++i) {
    const int64_t version = 1 + i % 2;
    const std::string policy =
        "{\"version_policy\": {\"specific\": {\"versions\": [" + std::to_string(version) + "]}}}";
    ASSERT_TRUE(stack_.Load("m", {.config = policy}).ok());
    const int before = answers;
    while (answers < before + 8 && failures == 0) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(failures, 0);
  EXPECT_GT(answers, 400);
}

}  // namespace
}  // namespace msq::server

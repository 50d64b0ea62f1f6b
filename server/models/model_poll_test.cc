// Polling: the repository follows its folder.
#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/time.h"
#include "base/status.h"
#include "model/format/artifact.h"
#include "model/testing/sample_model.h"
#include "server/models/model_repository.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using msq::testing::SampleModel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ModelPollTest : public ::testing::Test {
 protected:
  ModelPollTest() { folder_.AddModel("m", 1, SampleModel()); }

  // Looks at the folder only when told to, unless the interval is short.
  void Open(absl::Duration interval = absl::Hours(1)) {
    stack_.Open({.repository = {.mode = ModelRepository::Mode::kPoll, .poll_interval = interval}});
  }
  std::shared_ptr<const ServedModel> Ready(const std::string& name) {
    auto model = stack_.repository().Find(name, "");
    return model.ok() ? *model : nullptr;
  }

  testing::ServingStack stack_;
  testing::TestRepository& folder_ = stack_.folder();
};

TEST_F(ModelPollTest, WhatDidNotChangeIsLeftAlone) {
  Open();
  const auto model = Ready("m");
  ASSERT_NE(model, nullptr);
  folder_.AddFile("m/notes.txt", "no part of the model");
  stack_.repository().Poll();
  EXPECT_EQ(Ready("m"), model);
}

TEST_F(ModelPollTest, ModelsComeAndGo) {
  Open();
  folder_.AddModel("new", 3, SampleModel());
  EXPECT_EQ(Ready("new"), nullptr);
  stack_.repository().Poll();
  EXPECT_EQ(stack_.IndexText(), "m 1 READY\nnew 3 READY\n");
  folder_.Remove("m");
  stack_.repository().Poll();
  EXPECT_EQ(stack_.IndexText(), "new 3 READY\n");
  EXPECT_EQ(Message(stack_.repository().Find("m", "1").status()), "Request for unknown model: 'm' is not found");
  EXPECT_THAT(stack_.MetricsText(), Not(HasSubstr("model=\"m\"")));
  EXPECT_TRUE(stack_.repository().AllReady());
}

TEST_F(ModelPollTest, VersionsComeAndGo) {
  Open();
  folder_.AddModel("m", 2, SampleModel());
  stack_.repository().Poll();
  EXPECT_THAT(stack_.repository().ReadyVersions("m"), ElementsAre("2"));
  folder_.Remove("m/2");
  stack_.repository().Poll();
  EXPECT_THAT(stack_.repository().ReadyVersions("m"), ElementsAre("1"));
  folder_.AddModel("m", 2, SampleModel());
  folder_.AddFile("m/config.pbtxt", "version_policy { all {} }");
  stack_.repository().Poll();
  EXPECT_THAT(stack_.repository().ReadyVersions("m"), ElementsAre("1", "2"));
}

TEST_F(ModelPollTest, AChangedConfigurationOrArtifactIsLoaded) {
  Open();
  folder_.AddFile("m/config.pbtxt", "max_batch_size: 5");
  stack_.repository().Poll();
  EXPECT_EQ(Ready("m")->description().config.max_batch_size(), 5);
  folder_.Remove("m/config.pbtxt");
  stack_.repository().Poll();
  EXPECT_EQ(Ready("m")->description().config.max_batch_size(), 64);
  const auto before = Ready("m");
  folder_.Remove("m/1/model.msq");
  folder_.AddModel("m", 1, SampleModel());
  stack_.repository().Poll();
  EXPECT_NE(Ready("m"), before);
}

TEST_F(ModelPollTest, AHalfWrittenArtifactIsTakenOnceItIsWhole) {
  Open();
  const auto old = Ready("m");
  const std::string bytes = *format::Serialize(SampleModel());
  folder_.AddFile("m/2/model.msq", bytes.substr(0, bytes.size() / 2));
  stack_.repository().Poll();
  EXPECT_EQ(Ready("m"), old);
  EXPECT_THAT(stack_.IndexText(), HasSubstr("m 1 READY: ready as before; the last load failed: "));
  EXPECT_THAT(stack_.IndexText(), HasSubstr("m 2 UNAVAILABLE: "));
  EXPECT_TRUE(stack_.repository().AllReady());
  folder_.AddFile("m/2/model.msq", bytes);
  stack_.repository().Poll();
  EXPECT_EQ(stack_.IndexText(), "m 2 READY\n");
}

TEST_F(ModelPollTest, AHalfWrittenModelOfTheStartIsTakenOnceItIsWhole) {
  const std::string bytes = *format::Serialize(SampleModel());
  folder_.AddFile("late/1/model.msq", bytes.substr(0, 30));
  Open();
  EXPECT_FALSE(stack_.repository().AllReady());
  folder_.AddFile("late/1/model.msq", bytes);
  stack_.repository().Poll();
  EXPECT_TRUE(stack_.repository().AllReady());
}

TEST_F(ModelPollTest, ARepositoryThatCannotBeReadChangesNothing) {
  Open();
  const auto model = Ready("m");
  const std::string away = folder_.path() + ".away";
  ASSERT_EQ(rename(folder_.path().c_str(), away.c_str()), 0);
  stack_.repository().Poll();
  EXPECT_EQ(Ready("m"), model);
  ASSERT_EQ(rename(away.c_str(), folder_.path().c_str()), 0);
  stack_.repository().Poll();
  EXPECT_EQ(Ready("m"), model);
}

TEST_F(ModelPollTest, ItPollsByItself) {
  Open(absl::Milliseconds(5));
  folder_.AddModel("new", 1, SampleModel());
  EXPECT_TRUE(testing::Eventually([&] { return Ready("new") != nullptr; }));
}

TEST_F(ModelPollTest, NoRequestFailsWhileTheFolderChanges) {
  Open(absl::Milliseconds(1));
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  std::thread client([&] {
    while (!stop) {
      const absl::Status status = stack_.Infer(testing::SampleRequest());
      if (status.ok()) continue;
      ++failures;
      ADD_FAILURE() << status;
    }
  });
  const std::string bytes = *format::Serialize(SampleModel());
  for (int64_t version = 2; version <= 12; ++version) {
    const std::string path = "m/" + std::to_string(version) + "/model.msq";
    folder_.AddFile(path, bytes.substr(0, bytes.size() / 3));
    stack_.repository().Poll();
    folder_.AddFile(path, bytes);
    stack_.repository().Poll();
    EXPECT_THAT(stack_.repository().ReadyVersions("m"), ElementsAre(std::to_string(version)));
    folder_.Remove("m/" + std::to_string(version - 1));
  }
  stop = true;
  client.join();
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace msq::server

// What a repository serves from its start: which versions, and that a broken model leaves the others alone.
#include "server/models/model_repository.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "model/format/artifact.h"
#include "model/testing/sample_model.h"
#include "server/protocol/reason.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using msq::testing::SampleModel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Mode = ModelRepository::Mode;

class ModelRepositoryTest : public ::testing::Test {
 protected:
  ModelRepository& Open(ModelRepository::Options options = {}) {
    stack_.Open({.repository = std::move(options)});
    return stack_.repository();
  }

  absl::Status Infer(const std::string& model) { return stack_.Infer(testing::SampleRequest(model)); }

  // The reason in the index for the model's only entry, which must not be ready.
  std::string LoadError(const std::string& model) {
    ModelRepository& repository = Open();
    for (const auto& entry : repository.Index()) {
      if (entry.name == model && entry.state == ModelRepository::State::kUnavailable) return entry.reason;
    }
    return "no such entry";
  }

  testing::ServingStack stack_;
  testing::TestRepository& folder_ = stack_.folder();
};

TEST_F(ModelRepositoryTest, ServesTheHighestVersionByDefault) {
  for (int64_t version : {2, 10, 9}) folder_.AddModel("m", version, SampleModel());
  folder_.AddFile("m/notes/readme.txt", "no version");
  folder_.AddFile("m/007/model.msq", "no version either");
  ModelRepository& repository = Open();
  ASSERT_TRUE(repository.Find("m", "").ok());
  EXPECT_EQ((*repository.Find("m", ""))->version(), "10");
  EXPECT_TRUE(repository.Find("m", "10").ok());
  EXPECT_EQ(Message(repository.Find("m", "9").status()), "Request for unknown model: 'm' version 9 is not found");
  EXPECT_EQ(Message(repository.Find("x", "").status()), "Request for unknown model: 'x' is not found");
  EXPECT_EQ(Message(repository.Find("x", "1").status()), "Request for unknown model: 'x' is not found");
  EXPECT_TRUE(repository.AllReady());
  EXPECT_EQ(stack_.IndexText(), "m 10 READY\n");
  EXPECT_TRUE(Infer("m").ok());
}

TEST_F(ModelRepositoryTest, SeveralVersionsAreServedWhenAskedFor) {
  for (int64_t version : {1, 2, 10}) folder_.AddModel("m", version, SampleModel());
  folder_.AddModel("other", 1, SampleModel());
  folder_.AddFile("m/config.pbtxt", "version_policy { all {} }");
  ModelRepository& repository = Open();
  EXPECT_THAT(repository.ReadyVersions("m"), ElementsAre("1", "2", "10"));
  EXPECT_EQ((*repository.Find("m", "1"))->version(), "1");
  EXPECT_EQ((*repository.Find("m", ""))->version(), "10");
  EXPECT_EQ(repository.ReadyModels("").size(), 4u);
  EXPECT_EQ(repository.ReadyModels("m").size(), 3u);
  EXPECT_TRUE(repository.ReadyModels("x").empty());
  EXPECT_TRUE(repository.ReadyVersions("").empty());
}

TEST_F(ModelRepositoryTest, DamagedArtifactsAreReportedAndTheOthersServe) {
  const std::string bytes = *format::Serialize(SampleModel());
  folder_.AddModel("good", 1, SampleModel());
  int broken = 0;
  const auto add = [&](const std::string& damaged) {
    folder_.AddFile("bad" + std::to_string(broken++) + "/1/model.msq", damaged);
  };
  for (size_t i = 0; i < format::kHeaderBytes; ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    add(damaged);
  }
  for (size_t size = 0; size < bytes.size(); size += 61) add(bytes.substr(0, size));
  ModelRepository& repository = Open();
  EXPECT_TRUE(repository.Find("good", "").ok());
  EXPECT_FALSE(repository.AllReady());
  const auto index = repository.Index();
  ASSERT_EQ(index.size(), static_cast<size_t>(broken) + 1);
  for (const auto& entry : index) {
    if (entry.name == "good") continue;
    EXPECT_EQ(entry.state, ModelRepository::State::kUnavailable) << entry.name;
    EXPECT_THAT(entry.reason, HasSubstr("/1/model.msq: ")) << entry.name;
  }
  EXPECT_EQ(repository.Find("bad0", "").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Message(repository.Find("bad0", "").status()),
            "Request for unknown model: 'bad0' has no available versions");
  const absl::Status not_ready = repository.Find("bad0", "1").status();
  EXPECT_EQ(not_ready.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(not_ready), kModelNotReady);
  const std::string text = stack_.MetricsText();
  EXPECT_THAT(text, HasSubstr("msq_model_ready{model=\"bad0\",version=\"1\"} 0"));
  EXPECT_THAT(text, HasSubstr("msq_model_ready{model=\"good\",version=\"1\"} 1"));
}

TEST_F(ModelRepositoryTest, AVersionThatFailsLeavesTheOthersOfAFirstLoad) {
  folder_.AddModel("m", 1, SampleModel());
  folder_.AddFile("m/2/model.msq", "rubbish");
  folder_.AddFile("m/config.pbtxt", "version_policy { all {} }");
  ModelRepository& repository = Open();
  EXPECT_THAT(repository.ReadyVersions("m"), ElementsAre("1"));
  EXPECT_THAT(stack_.IndexText(), HasSubstr("m 1 READY\nm 2 UNAVAILABLE: "));
  EXPECT_FALSE(repository.AllReady());
}

TEST_F(ModelRepositoryTest, FoldersWithoutAnArtifact) {
  folder_.AddFile("empty/readme.txt", "");
  folder_.AddFile("hollow/1/other.bin", "");
  folder_.AddFile(".hidden/1/model.msq", "");
  folder_.AddFile("tab\tin name/1/model.msq", "");
  EXPECT_THAT(LoadError("empty"), HasSubstr("has no version to serve"));
  EXPECT_THAT(LoadError("hollow"), HasSubstr("hollow/1/model.msq: is no file"));
  EXPECT_EQ(LoadError(".hidden"), "no such entry");
  EXPECT_EQ(LoadError("tab\tin name"), "no such entry");
}

TEST_F(ModelRepositoryTest, MissingRepository) {
  const auto result = ModelRepository::Open({.path = folder_.path() + "/nowhere"}, stack_.runtime());
  EXPECT_EQ(result.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(result.status())), HasSubstr("nowhere"));
}

TEST_F(ModelRepositoryTest, BadConfigurationsNameFileAndCause) {
  folder_.AddModel("m", 1, SampleModel());
  const auto error = [&](const std::string& text) {
    folder_.AddFile("m/config.pbtxt", text);
    return LoadError("m");
  };
  EXPECT_THAT(error("max_batch_size: 4\nname = 3"), HasSubstr("m/config.pbtxt: line 2"));
  EXPECT_THAT(error("input { name: 'pixels' dims: [ 3, 8, 9 ] }"), HasSubstr("field 'input[0].dims': [3,8,9]"));
  EXPECT_THAT(error("instance_group { count: 65 }"), HasSubstr("instance_group[0].count"));
  EXPECT_THAT(error("dynamic_batching { preferred_batch_size: 65 }"), HasSubstr("preferred_batch_size"));
  EXPECT_THAT(error("parameters { key: 'overflow' value { string_value: 'maybe' } }"), HasSubstr("overflow"));
}

TEST_F(ModelRepositoryTest, TheConfigurationSaysWhichTypeIsTold) {
  folder_.AddModel("m", 1, SampleModel());
  EXPECT_EQ((*Open().Find("m", ""))->description().config.input(0).data_type(), inference::TYPE_UINT8);
  folder_.AddFile("m/config.pbtxt", "input { name: 'pixels' data_type: TYPE_FP32 } backend: 'onnxruntime'");
  ModelRepository& repository = Open();
  const ModelDescription& model = (*repository.Find("m", ""))->description();
  EXPECT_EQ(model.config.input(0).data_type(), inference::TYPE_FP32);
  EXPECT_EQ(model.config.platform(), "msq");
  EXPECT_TRUE(Infer("m").ok());  // UINT8 as ever
}

TEST_F(ModelRepositoryTest, OnlyRegularFilesOfSaneSizeAreOpened) {
  folder_.AddModel("good", 1, SampleModel());
  folder_.AddModel("fifo", 1, SampleModel());
  ASSERT_EQ(mkfifo((folder_.path() + "/fifo/config.pbtxt").c_str(), 0600), 0);  // to open it would wait for ever
  EXPECT_THAT(LoadError("fifo"), HasSubstr("fifo/config.pbtxt: is no regular file"));
  folder_.AddFile("pipe/1/other", "");
  ASSERT_EQ(mkfifo((folder_.path() + "/pipe/1/model.msq").c_str(), 0600), 0);
  EXPECT_THAT(LoadError("pipe"), HasSubstr("pipe/1/model.msq: is no file"));
  folder_.AddFile("directory/1/model.msq/file", "");
  EXPECT_THAT(LoadError("directory"), HasSubstr("directory/1/model.msq: is no file"));
  folder_.AddFile("large/config.pbtxt", "name: 'large'" + std::string(1 << 20, ' '));
  EXPECT_THAT(LoadError("large"), HasSubstr("large/config.pbtxt: is larger than 1048576 bytes"));
  EXPECT_TRUE(Open().Find("good", "").ok());
}

TEST_F(ModelRepositoryTest, BadVersionStrings) {
  folder_.AddModel("m", 1, SampleModel());
  ModelRepository& repository = Open();
  for (const char* version : {"x", "0", "-1", "01", "+1", " 1", "1.0", "99999999999999999999"}) {
    EXPECT_EQ(repository.Find("m", version).status().code(), absl::StatusCode::kInvalidArgument) << version;
  }
}

TEST_F(ModelRepositoryTest, OnlyExplicitControlTakesLoadsAndUnloads) {
  folder_.AddModel("m", 1, SampleModel());
  for (const auto& [mode, why] :
       {std::pair(Mode::kNone, "if model control is not enabled"), std::pair(Mode::kPoll, "if polling is enabled")}) {
    ModelRepository& repository = Open({.mode = mode});
    for (const absl::Status& status : {stack_.Load("m"), stack_.Unload("m")}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
      EXPECT_EQ(Message(status), std::string("explicit model load / unload is not allowed ") + why);
    }
    EXPECT_TRUE(repository.AllReady());
  }
}

TEST_F(ModelRepositoryTest, SeriesGoWithTheRepositorysModels) {
  folder_.AddModel("m", 1, SampleModel());
  Open({.mode = Mode::kExplicit, .startup_models = {"*"}});
  EXPECT_TRUE(Infer("m").ok());
  EXPECT_THAT(stack_.MetricsText(), HasSubstr("msq_requests_total{backend=\"cpu\",model=\"m\",version=\"1\"} 1"));
  EXPECT_TRUE(stack_.Unload("m").ok());
  const auto gone = [&] { return stack_.MetricsText().find("model=\"m\"") == std::string::npos; };
  EXPECT_TRUE(testing::Eventually(gone)) << stack_.MetricsText();
}

}  // namespace
}  // namespace msq::server

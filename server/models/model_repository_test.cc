// Repository and config.pbtxt: which versions are served, and that a broken model leaves the others alone.
#include "server/models/model_repository.h"

#include <sys/stat.h>

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "base/status.h"
#include "model/format/artifact.h"
#include "model/testing/sample_model.h"
#include "server/models/model_config.h"
#include "server/testing/fake_backend.h"
#include "server/testing/test_repository.h"

namespace msq::server {
namespace {

using msq::testing::SampleModel;
using testing::TestRepository;

class ModelRepositoryTest : public ::testing::Test {
 protected:
  ModelRepositoryTest() {
    EXPECT_TRUE(backends_.Register(testing::CreateFakeBackend(std::make_shared<testing::FakeControl>())).ok());
  }

  std::unique_ptr<ModelRepository> Open() {
    auto repository = ModelRepository::Open(folder_.path(), backends_, {}, &metrics_);
    EXPECT_TRUE(repository.ok()) << repository.status();
    return std::move(repository).value();
  }

  // The error of the model's only entry.
  std::string LoadError(const std::string& model) {
    const auto repository = Open();
    for (const auto& entry : repository->entries()) {
      if (entry.name == model) return std::string(Message(entry.status));
    }
    return "no entry";
  }

  TestRepository folder_;
  BackendRegistry backends_;
  Metrics metrics_;
};

TEST_F(ModelRepositoryTest, ServesTheHighestVersionByDefault) {
  for (int64_t version : {2, 10, 9}) folder_.AddModel("m", version, SampleModel());
  folder_.AddFile("m/notes/readme.txt", "no version");
  folder_.AddFile("m/007/model.msq", "no version either");
  const auto repository = Open();
  ASSERT_TRUE(repository->Find("m", "").ok());
  EXPECT_EQ((*repository->Find("m", ""))->version(), "10");
  EXPECT_TRUE(repository->Find("m", "10").ok());
  EXPECT_EQ(Message(repository->Find("m", "9").status()), "Request for unknown model: 'm' version 9 is not found");
  EXPECT_TRUE(repository->AllReady());
}

TEST_F(ModelRepositoryTest, VersionPolicies) {
  inference::ModelVersionPolicy policy;
  EXPECT_EQ(ChooseVersions(policy, {3, 1, 2}), (std::vector<int64_t>{3}));
  policy.mutable_latest()->set_num_versions(2);
  EXPECT_EQ(ChooseVersions(policy, {3, 1, 2}), (std::vector<int64_t>{2, 3}));
  policy.mutable_all();
  EXPECT_EQ(ChooseVersions(policy, {3, 1, 2}), (std::vector<int64_t>{1, 2, 3}));
  policy.mutable_specific()->add_versions(1);
  policy.mutable_specific()->add_versions(7);
  EXPECT_EQ(ChooseVersions(policy, {3, 1, 2}), (std::vector<int64_t>{1}));
}

TEST_F(ModelRepositoryTest, SeveralVersionsAreServedWhenAskedFor) {
  folder_.AddModel("m", 1, SampleModel());
  folder_.AddModel("m", 2, SampleModel());
  folder_.AddFile("m/config.pbtxt", "version_policy { all {} }");
  const auto repository = Open();
  EXPECT_EQ(repository->ReadyVersions("m"), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ((*repository->Find("m", "1"))->version(), "1");
  EXPECT_EQ((*repository->Find("m", ""))->version(), "2");
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
  const auto repository = Open();
  EXPECT_TRUE(repository->Find("good", "").ok());
  EXPECT_FALSE(repository->AllReady());
  ASSERT_EQ(repository->entries().size(), static_cast<size_t>(broken) + 1);
  for (const auto& entry : repository->entries()) {
    if (entry.name == "good") continue;
    EXPECT_EQ(entry.status.code(), absl::StatusCode::kDataLoss) << entry.name << ": " << entry.status;
  }
  EXPECT_EQ(repository->Find("bad0", "").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Message(repository->Find("bad0", "").status()),
            "Request for unknown model: 'bad0' has no available versions");
  EXPECT_EQ(repository->Find("bad0", "1").status().code(), absl::StatusCode::kUnavailable);
  const std::string text = prometheus::TextSerializer().Serialize(metrics_.registry()->Collect());
  EXPECT_NE(text.find("msq_model_ready{model=\"bad0\",version=\"1\"} 0"), text.npos);
  EXPECT_NE(text.find("msq_model_ready{model=\"good\",version=\"1\"} 1"), text.npos);
}

TEST_F(ModelRepositoryTest, FoldersWithoutAnArtifact) {
  folder_.AddFile("empty/readme.txt", "");
  folder_.AddFile("hollow/1/other.bin", "");
  EXPECT_NE(LoadError("empty").find("has no version to serve"), std::string::npos);
  EXPECT_NE(LoadError("hollow").find("hollow/1/model.msq: is no file"), std::string::npos);
}

TEST_F(ModelRepositoryTest, MissingRepository) {
  const auto repository = ModelRepository::Open(folder_.path() + "/nowhere", backends_, {}, &metrics_);
  EXPECT_EQ(repository.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(Message(repository.status()).find("nowhere"), std::string_view::npos);
}

TEST_F(ModelRepositoryTest, BadConfigurationsNameFileAndCause) {
  folder_.AddModel("m", 1, SampleModel());
  folder_.AddFile("m/config.pbtxt", "max_batch_size: 4\nname = 3");
  EXPECT_NE(LoadError("m").find("m/config.pbtxt: line 2"), std::string::npos);
  folder_.AddFile("m/config.pbtxt", "name: 'other'");
  EXPECT_NE(LoadError("m").find("differs from the folder's name 'm'"), std::string::npos);
  folder_.AddFile("m/config.pbtxt", "max_batch_size: -1");
  EXPECT_NE(LoadError("m").find("max_batch_size -1"), std::string::npos);
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "x {";
  folder_.AddFile("m/config.pbtxt", deep);
  EXPECT_NE(LoadError("m").find("m/config.pbtxt"), std::string::npos);
}

TEST_F(ModelRepositoryTest, OnlyRegularFilesOfSaneSizeAreOpened) {
  folder_.AddModel("good", 1, SampleModel());
  folder_.AddModel("fifo", 1, SampleModel());
  ASSERT_EQ(mkfifo((folder_.path() + "/fifo/config.pbtxt").c_str(), 0600), 0);  // to open it would wait for ever
  EXPECT_NE(LoadError("fifo").find("fifo/config.pbtxt: is no regular file"), std::string::npos);
  folder_.AddFile("pipe/1/other", "");
  ASSERT_EQ(mkfifo((folder_.path() + "/pipe/1/model.msq").c_str(), 0600), 0);
  EXPECT_NE(LoadError("pipe").find("pipe/1/model.msq: is no file"), std::string::npos);
  folder_.AddFile("directory/1/model.msq/file", "");
  EXPECT_NE(LoadError("directory").find("directory/1/model.msq: is no file"), std::string::npos);
  folder_.AddFile("large/config.pbtxt", "name: 'large'" + std::string(1 << 20, ' '));
  EXPECT_NE(LoadError("large").find("large/config.pbtxt: is larger than 1048576 bytes"), std::string::npos);
  EXPECT_TRUE(Open()->Find("good", "").ok());
}

TEST_F(ModelRepositoryTest, UnknownAndUnusedFieldsAreWarnedOf) {
  folder_.AddFile("config.pbtxt", "max_batch_size: 8\nfrobnicate: 1\ndynamic_batching {}\n");
  const auto result = ReadModelConfig(folder_.path() + "/config.pbtxt", "m");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->config.max_batch_size(), 8);
  ASSERT_EQ(result->warnings.size(), 2u);
  EXPECT_NE(result->warnings[0].find("frobnicate"), std::string::npos);
  EXPECT_NE(result->warnings[1].find("'dynamic_batching' has no effect"), std::string::npos);
}

TEST_F(ModelRepositoryTest, BadVersionStrings) {
  folder_.AddModel("m", 1, SampleModel());
  const auto repository = Open();
  for (const char* version : {"x", "0", "-1", "01", "1.0", "99999999999999999999"}) {
    EXPECT_EQ(repository->Find("m", version).status().code(), absl::StatusCode::kInvalidArgument) << version;
  }
}

}  // namespace
}  // namespace msq::server

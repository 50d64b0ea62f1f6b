// Configurations: what is read, what is warned of, and what must agree with the model.
#include "server/models/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "server/models/config_checks.h"
#include "server/models/platform.h"
#include "server/testing/test_repository.h"

namespace msq::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<ReadConfigResult> ReadText(const std::string& text) {
  testing::TestRepository folder;
  folder.AddFile("config.pbtxt", text);
  return ReadModelConfig(folder.path() + "/config.pbtxt", "m");
}

std::string ErrorOf(const absl::StatusOr<ReadConfigResult>& result) {
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << result.status();
  return std::string(Message(result.status()));
}

TEST(ModelConfigTest, WithoutAFileRequestsArePutTogetherAsTheyCome) {
  const auto result = ReadModelConfig("/nowhere/config.pbtxt", "m");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->config.name(), "m");
  EXPECT_EQ(result->config.max_batch_size(), 64);
  EXPECT_TRUE(result->config.has_dynamic_batching());
  EXPECT_EQ(result->config.dynamic_batching().max_queue_delay_microseconds(), 0u);
  EXPECT_THAT(result->warnings, IsEmpty());
}

TEST(ModelConfigTest, AFileThatSaysNothingOfBatchingHasNone) {
  const auto result = ReadText("platform: 'msq'");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->config.max_batch_size(), 64);
  EXPECT_FALSE(result->config.has_dynamic_batching());
}

TEST(ModelConfigTest, FieldsInEffectAreNotWarnedOf) {
  const auto result = ReadText(R"(
    name: "m" backend: "msq" platform: "msq" max_batch_size: 8
    version_policy { specific { versions: [ 1, 3 ] } }
    input { name: "pixels" data_type: TYPE_UINT8 format: FORMAT_NCHW dims: [ 3, 8, 8 ] }
    output { name: "logits" data_type: TYPE_FP32 dims: [ 10 ] }
    instance_group { name: "a" count: 2 kind: KIND_CPU host_policy: "cpu" rate_limiter { priority: 2 } }
    dynamic_batching { preferred_batch_size: 4 max_queue_delay_microseconds: 100 preserve_ordering: true }
    response_cache { enable: true }
    model_warmup { name: "w" inputs { key: "pixels" value { data_type: TYPE_UINT8 dims: 3 zero_data: true } } }
    parameters { key: "mine" value { string_value: "free" } }
    parameters { key: "overflow" value { string_value: "true" } }
    model_transaction_policy {})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->warnings, ElementsAre("field 'model_transaction_policy' has no effect here"));
  const auto sequences = ReadText(R"(sequence_batching {
    max_sequence_idle_microseconds: 5 oldest { max_candidate_sequences: 4 }
    state { input_name: "h" output_name: "h_out" } })");
  ASSERT_TRUE(sequences.ok()) << sequences.status();
  EXPECT_THAT(sequences->warnings, IsEmpty());
}

TEST(ModelConfigTest, FieldsWithoutEffectAreNamed) {
  const auto result = ReadText(R"(
    frobnicate: 1
    optimization { graph { level: 1 } }
    input { name: "a" } input { name: "b" optional: true }
    output { name: "c" label_filename: "labels.txt" }
    instance_group { kind: KIND_GPU gpus: [ 0, 1 ] rate_limiter { resources { name: "r" } } }
    default_model_filename: "other.msq"
    metric_tags { key: "k" value: "v" }
    sequence_batching { state { input_name: "h" output_name: "o" dims: 4 } }
    model_transaction_policy { decoupled: true })");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(
      result->warnings,
      ElementsAre(HasSubstr("\"frobnicate\""), HasSubstr("\"optimization\""),
                  "field 'input[1].optional' has no effect here", "field 'output[0].label_filename' has no effect here",
                  "field 'instance_group[0].gpus' has no effect here",
                  "field 'instance_group[0].rate_limiter.resources' has no effect here",
                  "field 'default_model_filename' has no effect here", "field 'metric_tags' has no effect here",
                  "field 'sequence_batching.state[0].dims' has no effect here",
                  "field 'model_transaction_policy' has no effect here",
                  "field 'instance_group[0].kind': there is no GPU here"));
}

TEST(ModelConfigTest, BadFilesNameLineAndCause) {
  EXPECT_THAT(ErrorOf(ReadText("max_batch_size: 4\nname = 3")), HasSubstr("config.pbtxt: line 2"));
  EXPECT_THAT(ErrorOf(ReadText("name: 'other'")), HasSubstr("differs from the folder's name 'm'"));
  EXPECT_THAT(ErrorOf(ReadText("max_batch_size: -1")), HasSubstr("max_batch_size -1"));
  EXPECT_THAT(ErrorOf(ReadText("max_batch_size: 65537")), HasSubstr("max_batch_size 65537"));
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "x {";
  EXPECT_THAT(ErrorOf(ReadText(deep)), HasSubstr("config.pbtxt"));
}

TEST(ModelConfigTest, JsonIsReadAsTheFileWouldBe) {
  const auto result = ParseModelConfigJson(R"({"max_batch_size": "16", "dynamicBatching": {}})", "m");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->config.name(), "m");
  EXPECT_EQ(result->config.max_batch_size(), 16);
  EXPECT_TRUE(result->config.has_dynamic_batching());
  EXPECT_EQ(ParseModelConfigJson("{}", "m")->config.max_batch_size(), 64);
  EXPECT_EQ(ParseModelConfigJson(R"({"max_batch_size": 0})", "m")->config.max_batch_size(), 0);
}

TEST(ModelConfigTest, JsonWarningsNameTheField) {
  const auto result = ParseModelConfigJson(R"({"max_batch_size": 2, "frobnicate": 1, "metric_tags": {"a": "b"}})", "m");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->config.max_batch_size(), 2);
  EXPECT_THAT(result->warnings, ElementsAre(HasSubstr("frobnicate"), "field 'metric_tags' has no effect here"));
}

TEST(ModelConfigTest, JsonWarningsNameEveryUnknownField) {
  const auto result = ParseModelConfigJson(
      R"({"frobnicate": 1, "gimbal": {"max_batch_size": 1}, "maxBatchSize": 2,
          "dynamic_batching": {"knob": [], "preferred_batch_size": [1]},
          "input": [{"name": "x"}, {"name": "y", "size": 3}],
          "parameters": {"a": {"string_value": "b", "colour": 1}}})",
      "m");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->config.max_batch_size(), 2);
  std::vector<std::string> unknown;
  for (const std::string& warning : result->warnings) {
    if (warning.find("is not known") != warning.npos) unknown.push_back(warning);
  }
  EXPECT_THAT(unknown, ElementsAre("field 'dynamic_batching.knob' is not known", "field 'frobnicate' is not known",
                                   "field 'gimbal' is not known", "field 'input[1].size' is not known",
                                   "field 'parameters[a].colour' is not known"));
}

TEST(ModelConfigTest, JsonWarningsAreLimited) {
  std::string json = "{\"max_batch_size\": 2";
  for (int i = 0; i < 1000; ++i) json += absl::StrCat(", \"x", i, "\": 1");
  const auto result = ParseModelConfigJson(json + "}", "m");
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->warnings.size(), 101u);
  EXPECT_EQ(result->warnings.back(), "900 more fields are not known");
}

TEST(ModelConfigTest, JsonWarningsNameAnUnknownValue) {
  const auto result = ParseModelConfigJson(R"({"input": [{"name": "x", "format": "FORMAT_ODD"}]})", "m");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->warnings, ElementsAre(HasSubstr("FORMAT_ODD")));
}

TEST(ModelConfigTest, BadJsonIsRefused) {
  for (const char* json : {"", "{", "[]", "\"x\"", R"({"max_batch_size": "many"})", R"({"name": "other"})",
                           R"({"max_batch_size": -1})", R"({"input": 5})"}) {
    EXPECT_FALSE(ErrorOf(ParseModelConfigJson(json, "m")).empty()) << json;
  }
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "{\"a\":";
  ErrorOf(ParseModelConfigJson(deep, "m"));
  EXPECT_THAT(ErrorOf(ParseModelConfigJson("{}" + std::string(kMaxConfigBytes, ' '), "m")), HasSubstr("larger than"));
}

TEST(ModelConfigTest, VersionPolicies) {
  inference::ModelVersionPolicy policy;
  std::vector<int64_t> missing;
  EXPECT_THAT(ChooseVersions(policy, {3, 1, 2}, &missing), ElementsAre(3));
  policy.mutable_latest()->set_num_versions(2);
  EXPECT_THAT(ChooseVersions(policy, {3, 1, 2}, &missing), ElementsAre(2, 3));
  policy.mutable_all();
  EXPECT_THAT(ChooseVersions(policy, {3, 1, 2}, &missing), ElementsAre(1, 2, 3));
  policy.mutable_specific()->add_versions(1);
  policy.mutable_specific()->add_versions(7);
  policy.mutable_specific()->add_versions(5);
  EXPECT_THAT(missing, ElementsAre());
  EXPECT_THAT(ChooseVersions(policy, {3, 1, 2}, &missing), ElementsAre(1));
  EXPECT_THAT(missing, ElementsAre(5, 7));
}

class CheckTensorsTest : public ::testing::Test {
 protected:
  CheckTensorsTest() {
    model_.inputs.push_back({"pixels", {Datatype::kUint8, Datatype::kFp32}, {3, 8, 8}});
    model_.outputs.push_back({"logits", Datatype::kFp32, {10}, {}, 0});
    inference::ModelInput* input = model_.config.add_input();
    input->set_name("pixels");
    input->set_format(inference::ModelInput::FORMAT_NCHW);
  }

  // The error of a configuration with this text.
  std::string Error(const std::string& text) {
    const auto config = ReadText(text);
    EXPECT_TRUE(config.ok()) << config.status();
    const absl::Status status = CheckTensors(config->config, model_);
    EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
    return std::string(Message(status));
  }

  ModelDescription model_;
};

TEST_F(CheckTensorsTest, WhatAgreesOrIsLeftOutIsFine) {
  EXPECT_EQ(Error(""), "");
  EXPECT_EQ(Error("input { name: 'pixels' } output { name: 'logits' }"), "");
  EXPECT_EQ(Error("input { name: 'pixels' data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 8, 8 ] }"
                  "output { name: 'logits' data_type: TYPE_FP32 dims: [ 10 ] }"),
            "");
}

TEST_F(CheckTensorsTest, DisagreementNamesTheField) {
  EXPECT_EQ(Error("input { name: 'x' }"), "field 'input[0].name': the model has no input 'x'; it has: 'pixels'");
  EXPECT_EQ(Error("input { name: 'pixels' data_type: TYPE_INT64 }"),
            "field 'input[0].data_type': 'pixels' cannot be TYPE_INT64");
  EXPECT_EQ(Error("input { name: 'pixels' dims: [ 3, 8, 7 ] }"),
            "field 'input[0].dims': [3,8,7], but 'pixels' of the model has [3,8,8]");
  EXPECT_EQ(Error("input { name: 'pixels' format: FORMAT_NHWC }"),
            "field 'input[0].format': FORMAT_NHWC, but 'pixels' of the model is FORMAT_NCHW");
  EXPECT_EQ(Error("output { name: 'logits' } output { name: 'y' }"),
            "field 'output[1].name': the model has no output 'y'; it has: 'logits'");
  EXPECT_EQ(Error("output { name: 'logits' data_type: TYPE_UINT8 }"),
            "field 'output[0].data_type': 'logits' cannot be TYPE_UINT8");
  EXPECT_EQ(Error("output { name: 'logits' dims: [ -1 ] }"),
            "field 'output[0].dims': [-1], but 'logits' of the model has [10]");
}

class NamedPlatform final : public Platform {
 public:
  explicit NamedPlatform(std::string_view name) : name_(name) {}
  std::string_view name() const override { return name_; }
  absl::StatusOr<std::unique_ptr<Servable>> Load(const ModelSource&) const override { return Unimplemented("none"); }

 private:
  const std::string_view name_;
};

TEST(ChoosePlatformTest, UnknownNamesAreServedByTheFirst) {
  const NamedPlatform first("msq"), second("other");
  const Platform* const platforms[] = {&first, &second};
  const auto choose = [&](const char* backend, const char* platform, std::string* warning) {
    inference::ModelConfig config;
    config.set_backend(backend);
    config.set_platform(platform);
    warning->clear();
    return std::string(ChoosePlatform(platforms, config, warning).name());
  };
  std::string warning;
  EXPECT_EQ(choose("", "", &warning), "msq");
  EXPECT_EQ(warning, "");
  EXPECT_EQ(choose("other", "", &warning), "other");
  EXPECT_EQ(choose("", "other", &warning), "other");
  EXPECT_EQ(choose("other", "msq", &warning), "other");
  EXPECT_EQ(warning, "");
  EXPECT_EQ(choose("onnxruntime", "", &warning), "msq");
  EXPECT_EQ(warning, "field 'backend': there is no 'onnxruntime' (there are: msq, other); served as 'msq'");
  EXPECT_EQ(choose("", "tensorrt_plan", &warning), "msq");
  EXPECT_EQ(warning, "field 'platform': there is no 'tensorrt_plan' (there are: msq, other); served as 'msq'");
}

}  // namespace
}  // namespace msq::server

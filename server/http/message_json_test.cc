#include "server/http/message_json.h"

#include <limits>

#include <gtest/gtest.h>

#include "proto/inference.pb.h"

namespace msq::server {
namespace {

TEST(MessageJsonTest, IntegersAreNumbersAndEnumsNames) {
  inference::ModelConfig config;
  config.set_name("m");
  config.set_max_batch_size(-1);
  auto* input = config.add_input();
  input->set_name("x");
  input->set_data_type(inference::TYPE_UINT8);
  input->set_format(inference::ModelInput::FORMAT_NHWC);
  input->add_dims(std::numeric_limits<int64_t>::max());
  const Json json = MessageToJson(config);
  EXPECT_EQ(json["name"], "m");
  EXPECT_EQ(json["max_batch_size"].dump(), "-1");
  EXPECT_EQ(json["input"][0]["data_type"], "TYPE_UINT8");
  EXPECT_EQ(json["input"][0]["format"], "FORMAT_NHWC");
  EXPECT_EQ(json["input"][0]["dims"].dump(), "[9223372036854775807]");
}

TEST(MessageJsonTest, ScalarsAndListsAreAlwaysThereMessagesAndOneofsWhenSet) {
  inference::ModelConfig config;
  Json json = MessageToJson(config);
  EXPECT_EQ(json["name"], "");
  EXPECT_EQ(json["max_batch_size"], 0);
  EXPECT_EQ(json["input"], Json::array());
  EXPECT_FALSE(json.contains("version_policy"));
  config.mutable_version_policy()->mutable_latest();
  EXPECT_EQ(MessageToJson(config)["version_policy"].dump(), R"({"latest":{"num_versions":0}})");
  inference::InferParameter parameter;
  EXPECT_EQ(MessageToJson(parameter).dump(), "{}");
  parameter.set_bool_param(false);
  EXPECT_EQ(MessageToJson(parameter).dump(), R"({"bool_param":false})");
}

TEST(MessageJsonTest, FieldsStandInOrderAndMapsSorted) {
  inference::ModelStatistics statistics;
  statistics.set_version("1");
  statistics.set_last_inference(std::numeric_limits<uint64_t>::max());
  statistics.mutable_inference_stats()->mutable_queue()->set_ns(7);
  (*statistics.mutable_response_stats())["b"];
  (*statistics.mutable_response_stats())["a"];
  EXPECT_EQ(MessageToJson(statistics).dump(),
            R"({"name":"","version":"1","last_inference":18446744073709551615,"inference_count":0,"execution_count":0,)"
            R"("inference_stats":{"queue":{"count":0,"ns":7}},"batch_stats":[],"memory_usage":[],)"
            R"("response_stats":{"a":{},"b":{}}})");
}

TEST(MessageJsonTest, FloatsStringsAndBytes) {
  inference::InferTensorContents contents;
  contents.add_bool_contents(true);
  contents.add_int_contents(-1);
  contents.add_uint_contents(1);
  contents.add_uint64_contents(std::numeric_limits<uint64_t>::max());
  contents.add_fp32_contents(0.5f);
  contents.add_fp64_contents(std::numeric_limits<double>::quiet_NaN());
  contents.add_bytes_contents("\xFF\xFE");
  EXPECT_EQ(MessageToJson(contents).dump(),
            R"({"bool_contents":[true],"int_contents":[-1],"int64_contents":[],"uint_contents":[1],)"
            R"("uint64_contents":[18446744073709551615],"fp32_contents":[0.5],"fp64_contents":[null],)"
            R"("bytes_contents":["//4="]})");
}

TEST(MessageJsonTest, TextReplacesWhatIsNoUtf8) {
  EXPECT_EQ(DumpJson(Json{{"error", "a\xFF"}}), "{\"error\":\"a\xEF\xBF\xBD\"}");
}

}  // namespace
}  // namespace msq::server

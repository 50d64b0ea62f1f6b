#include "server/http/json_response.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "server/http/tensor_json.h"

namespace msq::server {
namespace {

using ::testing::HasSubstr;

template <typename T>
std::string Bytes(std::initializer_list<T> values) {
  std::string bytes(values.size() * sizeof(T), 0);
  if (!bytes.empty()) std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

template <typename T>
std::string Text(Datatype datatype, std::initializer_list<T> values) {
  std::string json;
  const absl::Status status = AppendTensorJson(datatype, Bytes(values), &json);
  return status.ok() ? json : std::string(Message(status));
}

TEST(TensorJsonTest, EveryDatatypeBecomesItsText) {
  EXPECT_EQ(Text<uint8_t>(Datatype::kBool, {0, 1, 2}), "[false,true,true]");
  EXPECT_EQ(Text<uint8_t>(Datatype::kUint8, {0, 255}), "[0,255]");
  EXPECT_EQ(Text<uint16_t>(Datatype::kUint16, {65535}), "[65535]");
  EXPECT_EQ(Text<uint32_t>(Datatype::kUint32, {4294967295}), "[4294967295]");
  EXPECT_EQ(Text<uint64_t>(Datatype::kUint64, {UINT64_MAX}), "[18446744073709551615]");
  EXPECT_EQ(Text<int8_t>(Datatype::kInt8, {-128}), "[-128]");
  EXPECT_EQ(Text<int16_t>(Datatype::kInt16, {-32768}), "[-32768]");
  EXPECT_EQ(Text<int32_t>(Datatype::kInt32, {INT32_MIN}), "[-2147483648]");
  EXPECT_EQ(Text<int64_t>(Datatype::kInt64, {INT64_MIN}), "[-9223372036854775808]");
  EXPECT_EQ(Text<float>(Datatype::kFp32, {0.1f, -3, 1e-45f, 16777216}), "[0.1,-3,1e-45,16777216]");
  EXPECT_EQ(Text<double>(Datatype::kFp64, {0.1, 1e300}), "[0.1,1e+300]");
  EXPECT_EQ(Text<float>(Datatype::kFp32, {}), "[]");
  std::string json;
  EXPECT_TRUE(AppendTensorJson(Datatype::kBytes, std::string("\2\0\0\0a\"\0\0\0\0", 10), &json).ok());
  EXPECT_EQ(json, R"(["a\"",""])");
}

TEST(TensorJsonTest, WhatJsonLacksIsNullOrAnError) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Text<float>(Datatype::kFp32, {NAN, kInfinity, -kInfinity}), "[null,null,null]");
  EXPECT_EQ(Text<double>(Datatype::kFp64, {NAN}), "[null]");
  EXPECT_EQ(Text<uint16_t>(Datatype::kFp16, {1}), "FP16 data can only be sent as binary data");
  EXPECT_EQ(Text<uint16_t>(Datatype::kBf16, {1}), "BF16 data can only be sent as binary data");
  EXPECT_THAT(Text<uint8_t>(Datatype::kBytes, {1, 0, 0, 0, 0xFF}), HasSubstr("element 0 is no UTF-8"));
  EXPECT_THAT(Text<uint8_t>(Datatype::kBytes, {2, 0, 0, 0, 'a'}), HasSubstr("is cut off"));
  EXPECT_THAT(Text<uint8_t>(Datatype::kFp32, {1, 2}), HasSubstr("2 bytes are no tensor of FP32"));
}

TEST(TensorJsonTest, FloatsComeBackWhetherReadAsFloatOrAsDouble) {
  std::mt19937 random(1);
  for (int i = 0; i < 200000; ++i) {
    const auto bits = static_cast<uint32_t>(random());
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    const std::string text = Text<float>(Datatype::kFp32, {value});
    EXPECT_EQ(std::strtof(text.c_str() + 1, nullptr), value) << text;
    EXPECT_EQ(static_cast<float>(std::strtod(text.c_str() + 1, nullptr)), value) << text;
  }
}

inference::ModelInferResponse Response() {
  inference::ModelInferResponse response;
  response.set_model_name("m");
  response.set_model_version("1");
  for (const char* name : {"a", "b"}) {
    auto* output = response.add_outputs();
    output->set_name(name);
    output->set_datatype("INT16");
    output->add_shape(1);
    output->add_shape(2);
  }
  response.add_raw_output_contents(Bytes<int16_t>({1, -2}));
  response.add_raw_output_contents(Bytes<int16_t>({3, 4}));
  return response;
}

TEST(JsonResponseTest, AllInJson) {
  inference::ModelInferResponse response = Response();
  response.set_id("\"7\"");
  (*response.mutable_parameters())["p"].set_int64_param(int64_t{1} << 60);
  const auto answer = InferResponseToJson(response, {});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_FALSE(answer->json_bytes);
  EXPECT_EQ(answer->body,
            R"({"model_name":"m","model_version":"1","id":"\"7\"","parameters":{"p":1152921504606846976},"outputs":[)"
            R"({"name":"a","datatype":"INT16","shape":[1,2],"data":[1,-2]},)"
            R"({"name":"b","datatype":"INT16","shape":[1,2],"data":[3,4]}]})");
}

TEST(JsonResponseTest, BinaryDataFollowsTheJson) {
  const auto answer = InferResponseToJson(Response(), {.others = false, .named = {{"b", true}}});
  ASSERT_TRUE(answer.ok()) << answer.status();
  const std::string json =
      R"({"model_name":"m","model_version":"1","outputs":[{"name":"a","datatype":"INT16","shape":[1,2],"data":[1,-2]},)"
      R"({"name":"b","datatype":"INT16","shape":[1,2],"parameters":{"binary_data_size":4}}]})";
  EXPECT_EQ(answer->json_bytes, json.size());
  EXPECT_EQ(answer->body, json + Bytes<int16_t>({3, 4}));
}

TEST(JsonResponseTest, OutputsInSharedMemoryHaveNoData) {
  inference::ModelInferResponse response = Response();
  (*response.mutable_outputs(1)->mutable_parameters())["shared_memory_region"].set_string_param("r");
  response.set_raw_output_contents(1, "");
  const auto answer = InferResponseToJson(response, {});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->body, HasSubstr(R"({"name":"b","datatype":"INT16","shape":[1,2],"parameters":)"
                                      R"({"shared_memory_region":"r"}}]})"));
}

TEST(JsonResponseTest, ErrorsNameTheOutput) {
  inference::ModelInferResponse response = Response();
  response.mutable_outputs(1)->set_datatype("BF16");
  const auto answer = InferResponseToJson(response, {});
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(answer.status()), "output 'b': BF16 data can only be sent as binary data");
  EXPECT_TRUE(InferResponseToJson(response, {.others = true, .named = {}}).ok());
  response.mutable_outputs(1)->set_datatype("?");
  EXPECT_EQ(InferResponseToJson(response, {}).status().code(), absl::StatusCode::kInternal);
  response.mutable_raw_output_contents()->RemoveLast();
  EXPECT_EQ(InferResponseToJson(response, {}).status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace msq::server

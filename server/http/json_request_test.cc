#include "server/http/json_request.h"

#include <bit>
#include <cstring>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "server/http/json_request_parser.h"

namespace msq::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint64_t kMaxTensorBytes = 1 << 20;

struct Result {
  absl::Status status;
  inference::ModelInferRequest request;
  BinaryOutputs binary;
};

Result Read(std::string_view body, std::optional<uint64_t> json_bytes = std::nullopt) {
  Result result;
  result.status = InferRequestFromJson(body, json_bytes, kMaxTensorBytes, &result.request, &result.binary);
  return result;
}

// A request with one input of that datatype, shape and data.
std::string Request(const std::string& datatype, const std::string& shape, const std::string& data) {
  return R"({"inputs":[{"name":"x","shape":)" + shape + R"(,"datatype":")" + datatype + R"(","data":)" + data + "}]}";
}

std::string Error(std::string_view body, std::optional<uint64_t> json_bytes = std::nullopt) {
  const Result result = Read(body, json_bytes);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kInvalidArgument) << body.substr(0, 300);
  return std::string(Message(result.status));
}

template <typename T>
std::string Bytes(std::initializer_list<T> values) {
  std::string bytes(values.size() * sizeof(T), 0);
  if (!bytes.empty()) std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

// The raw contents that the data becomes, or the error.
std::string Raw(const std::string& datatype, const std::string& data) {
  const Result result = Read(Request(datatype, "[2]", data));
  return result.status.ok() ? result.request.raw_input_contents(0) : std::string(Message(result.status));
}

TEST(JsonRequestTest, TensorsOfOneRequestAreBoundedTogether) {
  inference::ModelInferRequest request;
  BinaryOutputs binary;
  const std::string input = R"({"name":"x","datatype":"INT64","shape":[2],"data":[1,2]})";
  const std::string body = R"({"inputs":[)" + input + "," + input + "]}";
  EXPECT_TRUE(InferRequestFromJson(body, std::nullopt, 32, &request, &binary).ok());
  const absl::Status status = InferRequestFromJson(body, std::nullopt, 31, &request, &binary);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(status)), StartsWith("inputs[1].data[1]: the request's tensors are larger than"));
}

TEST(JsonRequestTest, EveryDatatypeBecomesItsBytes) {
  EXPECT_EQ(Raw("BOOL", "[true,false,1,0]"), Bytes<uint8_t>({1, 0, 1, 0}));
  EXPECT_EQ(Raw("UINT8", "[0,255]"), Bytes<uint8_t>({0, 255}));
  EXPECT_EQ(Raw("UINT16", "[0,65535]"), Bytes<uint16_t>({0, 65535}));
  EXPECT_EQ(Raw("UINT32", "[0,4294967295]"), Bytes<uint32_t>({0, 4294967295}));
  EXPECT_EQ(Raw("UINT64", "[9007199254740993,18446744073709551615]"),
            Bytes<uint64_t>({9007199254740993u, 18446744073709551615u}));
  EXPECT_EQ(Raw("INT8", "[-128,127]"), Bytes<int8_t>({-128, 127}));
  EXPECT_EQ(Raw("INT16", "[-32768,32767]"), Bytes<int16_t>({-32768, 32767}));
  EXPECT_EQ(Raw("INT32", "[-2147483648,2147483647]"), Bytes<int32_t>({INT32_MIN, INT32_MAX}));
  EXPECT_EQ(Raw("INT64", "[-9223372036854775808,9007199254740993]"), Bytes<int64_t>({INT64_MIN, 9007199254740993}));
  EXPECT_EQ(Raw("FP32", "[1,-2.5e-3,16777217,1e-60]"), Bytes<float>({1, -2.5e-3f, 16777216, 0}));
  EXPECT_EQ(Raw("FP64", "[1,-2.5e-3,0.1]"), Bytes<double>({1, -2.5e-3, 0.1}));
  EXPECT_EQ(Raw("BYTES", R"(["ab","","\u00e9"])"), std::string("\2\0\0\0ab\0\0\0\0\2\0\0\0\xC3\xA9", 16));
}

TEST(JsonRequestTest, FloatsAreRoundedOnce) {
  // Just above the middle of 1 and the next float: as a double it is the middle, which would be rounded to 1.
  EXPECT_EQ(Raw("FP32", "[1.00000005960464477540]"), Bytes<float>({std::bit_cast<float>(0x3F800001u)}));
}

TEST(JsonRequestTest, ValuesThatDoNotFitAreNamed) {
  EXPECT_EQ(Raw("UINT8", "[0,256]"), "inputs[0].data[1]: 256 is out of range for UINT8");
  EXPECT_EQ(Raw("UINT8", "[[0,1],[2,-1]]"), "inputs[0].data[1][1]: -1 is out of range for UINT8");
  EXPECT_EQ(Raw("INT64", "[9223372036854775808]"), "inputs[0].data[0]: 9223372036854775808 is out of range for INT64");
  EXPECT_EQ(Raw("UINT64", "[18446744073709551616]"),
            "inputs[0].data[0]: 18446744073709551616 is out of range for UINT64");
  EXPECT_EQ(Raw("INT8", "[1.0]"), "inputs[0].data[0]: 1.0 is no integer, as INT8 needs");
  EXPECT_EQ(Raw("FP32", "[1e39]"), "inputs[0].data[0]: 1e39 is out of range for FP32");
  EXPECT_THAT(Raw("FP64", "[1e999]"), HasSubstr("number overflow parsing '1e999'"));
  EXPECT_EQ(Raw("BOOL", "[2]"), "inputs[0].data[0]: 2 is out of range for BOOL");
  EXPECT_EQ(Raw("UINT8", "[true]"), "inputs[0].data[0]: true is no value of UINT8");
  EXPECT_EQ(Raw("UINT8", R"(["1"])"), "inputs[0].data[0]: a string is no value of UINT8");
  EXPECT_EQ(Raw("BYTES", "[1]"), "inputs[0].data[0]: a number is no value of BYTES");
  EXPECT_EQ(Raw("BYTES", "[1.5]"), "inputs[0].data[0]: a number is no value of BYTES");
  EXPECT_EQ(Raw("FP32", "[null]"), "inputs[0].data[0]: null is no value of a tensor");
  EXPECT_EQ(Raw("FP32", "[{}]"), "inputs[0].data[0]: an object is no value of a tensor");
  EXPECT_EQ(Raw("FP32", "1"), "inputs[0].data: tensor data must be an array");
  for (const char* datatype : {"FP16", "BF16"}) {
    EXPECT_EQ(Raw(datatype, "[1]"),
              std::string("inputs[0].data[0]: ") + datatype + " data can only be sent as binary data");
  }
}

TEST(JsonRequestTest, NestedDataIsRowMajorAndMustFitTheShape) {
  const Result result = Read(Request("UINT8", "[2,3]", "[[1,2,3],[4,5,6]]"));
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.request.raw_input_contents(0), Bytes<uint8_t>({1, 2, 3, 4, 5, 6}));
  EXPECT_TRUE(Read(Request("UINT8", "[2,3]", "[1,2,3,4,5,6]")).status.ok());
  EXPECT_TRUE(Read(Request("UINT8", "[2,0]", "[[],[]]")).status.ok());
  EXPECT_EQ(Error(Request("UINT8", "[1,18446744073709551615]", "[1]")),
            "inputs[0].shape[1]: 18446744073709551615 is out of range for a dimension");
  EXPECT_EQ(Error(Request("UINT8", "[9223372036854775808]", "[1]")),
            "inputs[0].shape[0]: 9223372036854775808 is out of range for a dimension");
  EXPECT_TRUE(Read(Request("UINT8", "[9223372036854775807]", "[1]")).status.ok());  // the model's matter
  EXPECT_EQ(Error(Request("UINT8", "[3,2]", "[[1,2,3],[4,5,6]]")),
            "inputs[0].data is nested as [2,3], but the shape is [3,2]");
  EXPECT_EQ(Error(Request("UINT8", "[2,2]", "[[1,2],[3]]")),
            "inputs[0].data[1][1]: the data is ragged: an array has 1 elements, and one before it 2");
  EXPECT_THAT(Error(Request("UINT8", "[2,2]", "[[1,2],3]")), HasSubstr("a value stands where an array is expected"));
  EXPECT_THAT(Error(Request("UINT8", "[2,2]", "[1,[2]]")), HasSubstr("an array stands where values are expected"));
  EXPECT_THAT(Error(Request("UINT8", "[2,2]", "[[],3]")), HasSubstr("a value stands where an array is expected"));
}

TEST(JsonRequestTest, DataMayComeBeforeItsDatatype) {
  const Result result = Read(R"({"inputs":[
      {"data":[[1],[2]],"name":"a","datatype":"INT16","shape":[2,1]},
      {"name":"b","datatype":"UINT8","shape":[1],"data":[9]}]})");
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_THAT(result.request.raw_input_contents(), ElementsAre(Bytes<int16_t>({1, 2}), Bytes<uint8_t>({9})));
  EXPECT_EQ(Error(R"({"inputs":[{"data":[1,[2]],"name":"a","datatype":"INT16","shape":[2]}]})"),
            "inputs[0].data[1]: an array stands where values are expected");
  EXPECT_THAT(Error(R"({"inputs":[{"data":[{"x":[1]}],"name":"a"}]})"), HasSubstr("no valid datatype"));
  EXPECT_THAT(Error(R"({"inputs":[{"data":[],"name":"a","datatype":"INT"}]})"), HasSubstr("no valid datatype"));
}

TEST(JsonRequestTest, NamesParametersAndOutputsAreCarriedOver) {
  const Result result = Read(R"({"id":"7","unknown":[{"a":null}],
      "parameters":{"b":true,"i":-3,"u":18446744073709551615,"d":1.5,"s":"t","binary_data_output":true},
      "inputs":[{"name":"x","datatype":"UINT8","shape":[1,2],"parameters":{"normalized":true},"data":[1,2]}],
      "outputs":[{"name":"y","parameters":{"classification":3,"binary_data":false}},{"name":"z"}]})");
  ASSERT_TRUE(result.status.ok()) << result.status;
  const auto& request = result.request;
  EXPECT_EQ(request.id(), "7");
  EXPECT_EQ(request.parameters_size(), 5);
  EXPECT_TRUE(request.parameters().at("b").bool_param());
  EXPECT_EQ(request.parameters().at("i").int64_param(), -3);
  EXPECT_EQ(request.parameters().at("u").uint64_param(), UINT64_MAX);
  EXPECT_EQ(request.parameters().at("d").double_param(), 1.5);
  EXPECT_EQ(request.parameters().at("s").string_param(), "t");
  EXPECT_EQ(request.inputs(0).name(), "x");
  EXPECT_EQ(request.inputs(0).datatype(), "UINT8");
  EXPECT_THAT(request.inputs(0).shape(), ElementsAre(1, 2));
  EXPECT_TRUE(request.inputs(0).parameters().at("normalized").bool_param());
  EXPECT_FALSE(request.inputs(0).has_contents());
  ASSERT_EQ(request.outputs_size(), 2);
  EXPECT_EQ(request.outputs(0).parameters().at("classification").int64_param(), 3);
  EXPECT_EQ(request.outputs(0).parameters_size(), 1);
  EXPECT_FALSE(result.binary.Contains("y"));
  EXPECT_TRUE(result.binary.Contains("z"));
  EXPECT_TRUE(result.binary.Contains("not named"));
}

TEST(JsonRequestTest, BinaryDataFollowsTheJson) {
  const std::string json =
      R"({"inputs":[{"name":"a","datatype":"FP16","shape":[2],"parameters":{"binary_data_size":4}},)"
      R"({"name":"s","datatype":"UINT8","shape":[1],"parameters":{"shared_memory_region":"r","shared_memory_byte_size":1}},)"
      R"({"name":"b","datatype":"UINT8","shape":[1],"data":[7]},)"
      R"({"name":"c","datatype":"BYTES","shape":[0],"parameters":{"binary_data_size":0}}]})";
  const Result result = Read(json + "wxyz", json.size());
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_THAT(result.request.raw_input_contents(), ElementsAre("wxyz", "\7", ""));
  EXPECT_TRUE(result.request.inputs(0).parameters().empty());
  EXPECT_EQ(result.request.inputs(1).parameters().at("shared_memory_region").string_param(), "r");
  EXPECT_EQ(Error(json + "wxy", json.size()),
            "inputs[0].parameters.binary_data_size: is 4, but only 3 bytes are left of the body");
  EXPECT_EQ(Error(json + "wxyz!", json.size()), "the body has 1 bytes more than the JSON and the inputs announce");
  EXPECT_EQ(Error(json), "inputs[0].parameters.binary_data_size: needs the header Inference-Header-Content-Length");
  EXPECT_EQ(Error("{}", 3), "Inference-Header-Content-Length is 3, but the body has 2 bytes");
}

TEST(JsonRequestTest, WhatIsWrongIsNamed) {
  EXPECT_THAT(Error(""), StartsWith("the JSON is not valid: parse error at line 1, column 1: "));
  EXPECT_THAT(Error("{\"inputs\":[\n{x"), StartsWith("the JSON is not valid: parse error at line 2, column 2: "));
  EXPECT_THAT(Error("{} {}"), StartsWith("the JSON is not valid: "));
  EXPECT_THAT(Error("{\"a\":\"\xFF\"}"), HasSubstr("ill-formed UTF-8"));
  EXPECT_EQ(Error("[]"), "the JSON must be an object");
  EXPECT_EQ(Error("{}"), "the request has no member 'inputs'");
  EXPECT_EQ(Error(R"({"id":7,"inputs":[]})"), "the request.id must be a string");
  EXPECT_EQ(Error(R"({"inputs":{}})"), "inputs must be an array");
  EXPECT_EQ(Error(R"({"inputs":[1]})"), "inputs[0] must be an object");
  EXPECT_EQ(Error(R"({"inputs":[{}]})"), "inputs[0] has no member 'name'");
  EXPECT_EQ(Error(R"({"inputs":[{"name":"x"}]})"), "inputs[0] has no member 'datatype'");
  EXPECT_EQ(Error(R"({"inputs":[{"name":"x","datatype":"INT"}]})"), "inputs[0].datatype 'INT' is not known");
  EXPECT_EQ(Error(R"({"inputs":[{"name":"x","datatype":"INT","data":[]}]})"),
            "inputs[0].data: the datatype of this input is none of the protocol's");
  EXPECT_EQ(Error(R"({"inputs":[{"name":"x","datatype":"INT8"}]})"), "inputs[0].shape must be an array of integers");
  EXPECT_EQ(Error(Request("INT8", "[1.5]", "[]")), "inputs[0].shape must be an array of integers");
  EXPECT_THAT(Error(R"({"inputs":[{"name":"x","datatype":"INT8","shape":[1]}]})"),
              StartsWith("inputs[0] ('x') must have one of: the member data,"));
  EXPECT_THAT(Error(R"({"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1],
                     "parameters":{"shared_memory_region":"r"}}]})"),
              StartsWith("inputs[0] ('x') must have one of: "));
  EXPECT_EQ(Error(R"({"inputs":[],"inputs":[]})"), "inputs: this member appears twice");
  EXPECT_EQ(Error(R"({"inputs":[{"name":"x","datatype":"INT8","data":[],"data":[]}]})"),
            "inputs[0].data: this member appears twice");
  EXPECT_EQ(Error(R"({"inputs":[],"parameters":{"a":null}})"), "parameters.a: must be a boolean, a number or a string");
  EXPECT_EQ(Error(R"({"inputs":[],"parameters":7})"), "parameters must be an object");
  EXPECT_EQ(Error(R"({"inputs":[],"parameters":{"binary_data_output":1}})"),
            "parameters.binary_data_output: must be a boolean");
  EXPECT_EQ(Error(R"({"inputs":[],"outputs":[{}]})"), "outputs[0] has no member 'name'");
  EXPECT_EQ(Error(R"({"inputs":[{"name":"x","datatype":"INT8","shape":[1],"parameters":{"binary_data_size":-1}}]})"),
            "inputs[0].parameters.binary_data_size: must be an integer that is not negative");
}

TEST(JsonRequestTest, DepthAndSizeOutsideTensorDataAreLimited) {
  const auto nested = [](size_t depth) { return std::string(depth, '['); };
  EXPECT_THAT(Error("{\"a\":" + nested(1 << 20)), HasSubstr("values are nested too deep"));
  EXPECT_THAT(Error(Request("INT8", "[1]", nested(1 << 20))), HasSubstr("arrays are nested deeper than 32"));
  EXPECT_THAT(Error("{\"inputs\":[{\"data\":" + nested(1 << 20)), HasSubstr("arrays are nested too deep"));
  std::string wide = "{\"a\":[0";
  for (int i = 0; i < (1 << 16); ++i) wide += ",0";
  EXPECT_THAT(Error(wide + "]}"), HasSubstr("there are too many values outside tensor data"));
}

// Whatever the text: an answer, and no crash (the sanitizers' business).
TEST(JsonRequestTest, DamagedRequestsAreBadRequests) {
  const std::string whole =
      R"({"id":"7","parameters":{"a":1.5,"binary_data_output":true},"inputs":[{"name":"x","data":)"
      R"([[1,-2],[3,4]],"datatype":"INT8","shape":[2,2]},{"name":"y","datatype":"BYTES","shape":[1],)"
      R"("data":["\u00e9"]}],"outputs":[{"name":"z"}]})";
  ASSERT_TRUE(Read(whole).status.ok());
  const std::string alphabet = "[]{},:\"\\-+.eE0123456789tfn \x7F\xC3\xFF";
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = whole;
    for (auto edits = 1 + random() % 3; edits > 0; --edits) {
      const size_t at = random() % damaged.size();
      const size_t length = random() % 2 == 0 ? 1 : random() % (damaged.size() - at);
      if (random() % 2 == 0) damaged.insert(at, damaged.substr(at, length));
      damaged[at] = alphabet[random() % alphabet.size()];
    }
    std::optional<uint64_t> json_bytes;
    if (random() % 4 == 0) json_bytes = random() % (damaged.size() + 2);
    const absl::Status status = Read(damaged, json_bytes).status;
    EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << damaged << "\n" << status;
  }
}

TEST(JsonRequestTest, OtherObjectsAreParsedUnderTheSameLimits) {
  EXPECT_TRUE(ParseJsonObject(" \n")->empty());
  const auto object = ParseJsonObject(R"({"inputs":[{"data":[1]}]})");
  ASSERT_TRUE(object.ok());
  EXPECT_EQ((*object)["inputs"][0]["data"][0], 1);
  EXPECT_EQ(ParseJsonObject("7").status().code(), absl::StatusCode::kInvalidArgument);
}

inference::ModelMetadataResponse Model(const std::string& datatype, std::initializer_list<int64_t> shape) {
  inference::ModelMetadataResponse model;
  model.set_name("m");
  auto* input = model.add_inputs();
  input->set_name("x");
  input->set_datatype(datatype);
  for (int64_t dimension : shape) input->add_shape(dimension);
  return model;
}

TEST(RawTensorTest, ShapeFollowsFromTheSize) {
  inference::ModelInferRequest request;
  ASSERT_TRUE(InferRequestFromRawTensor("123456789012", Model("UINT16", {-1, 3}), &request).ok());
  EXPECT_EQ(request.inputs(0).name(), "x");
  EXPECT_EQ(request.inputs(0).datatype(), "UINT16");
  EXPECT_THAT(request.inputs(0).shape(), ElementsAre(2, 3));
  EXPECT_THAT(request.raw_input_contents(), ElementsAre("123456789012"));
}

TEST(RawTensorTest, WhatDoesNotFitIsAnError) {
  const auto error = [](std::string_view body, const inference::ModelMetadataResponse& model) {
    inference::ModelInferRequest request;
    return std::string(Message(InferRequestFromRawTensor(body, model, &request)));
  };
  EXPECT_EQ(error("1234", Model("UINT16", {-1, 3})),
            "a body without JSON does not fit model 'm': a sample has 6 bytes, and the body 4");
  EXPECT_THAT(error("", Model("UINT16", {-1, 3})), HasSubstr("and the body 0"));
  EXPECT_THAT(error("1234", Model("UINT16", {-1, -1})), HasSubstr("more than one dimension"));
  EXPECT_THAT(error("1234", Model("BYTES", {1})), HasSubstr("its input is BYTES"));
  inference::ModelMetadataResponse two = Model("UINT8", {1});
  two.add_inputs();
  EXPECT_THAT(error("1", two), HasSubstr("it has 2 inputs"));
}

}  // namespace
}  // namespace msq::server

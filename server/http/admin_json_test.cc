#include "server/http/admin_json.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace msq::server {
namespace {

template <typename Request>
absl::StatusOr<Request> Read(const std::string& json) {
  Request request;
  MSQ_RETURN_IF_ERROR(FromJson(nlohmann::json::parse(json), &request));
  return request;
}

template <typename Request>
std::string Error(const std::string& json) {
  const absl::Status status = Read<Request>(json).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << json;
  return std::string(Message(status));
}

TEST(AdminJsonTest, RepositoryIndex) {
  using inference::RepositoryIndexRequest;
  EXPECT_FALSE(Read<RepositoryIndexRequest>("{}")->ready());
  EXPECT_TRUE(Read<RepositoryIndexRequest>(R"({"ready":true})")->ready());
  EXPECT_EQ(Error<RepositoryIndexRequest>(R"({"ready":1})"), "ready must be a boolean");
  inference::RepositoryIndexResponse response;
  response.add_models()->set_name("m");
  EXPECT_EQ(ToJson(response).dump(), R"([{"name":"m","version":"","state":"","reason":""}])");
}

TEST(AdminJsonTest, LoadAndUnloadParameters) {
  using Load = inference::RepositoryModelLoadRequest;
  const auto load = Read<Load>(R"({"parameters":{"config":"{}","file:1/model.msq":"AP8=","b":true,"i":-1}})");
  ASSERT_TRUE(load.ok()) << load.status();
  EXPECT_EQ(load->parameters().at("config").string_param(), "{}");
  EXPECT_EQ(load->parameters().at("file:1/model.msq").bytes_param(), std::string("\0\xFF", 2));
  EXPECT_TRUE(load->parameters().at("b").bool_param());
  EXPECT_EQ(load->parameters().at("i").int64_param(), -1);
  EXPECT_EQ(Error<Load>(R"({"parameters":{"file:x":"*"}})"), "parameters.file:x: must be base64");
  EXPECT_EQ(Error<Load>(R"({"parameters":{"x":1.5}})"), "parameters.x: must be a boolean, an integer or a string");
  EXPECT_EQ(Error<Load>(R"({"parameters":[]})"), "parameters must be an object");
  const auto unload = Read<inference::RepositoryModelUnloadRequest>(R"({"parameters":{"unload_dependents":true}})");
  EXPECT_TRUE(unload->parameters().at("unload_dependents").bool_param());
}

TEST(AdminJsonTest, SystemSharedMemory) {
  using Register = inference::SystemSharedMemoryRegisterRequest;
  const auto request = Read<Register>(R"({"key":"/k","offset":18446744073709551615,"byte_size":7})");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->key(), "/k");
  EXPECT_EQ(request->offset(), UINT64_MAX);
  EXPECT_EQ(request->byte_size(), 7u);
  EXPECT_EQ(Read<Register>(R"({"key":"/k","byte_size":7})")->offset(), 0u);
  EXPECT_EQ(Error<Register>(R"({"byte_size":7})"), "key must be a string");
  EXPECT_EQ(Error<Register>(R"({"key":"k"})"), "the request has no member 'byte_size'");
  EXPECT_EQ(Error<Register>(R"({"key":"k","byte_size":-1})"), "byte_size must be an integer that is not negative");
  inference::SystemSharedMemoryStatusResponse response;
  for (const char* name : {"b", "a"}) (*response.mutable_regions())[name].set_name(name);
  EXPECT_EQ(ToJson(response).dump(), R"([{"name":"a","key":"","offset":0,"byte_size":0},)"
                                     R"({"name":"b","key":"","offset":0,"byte_size":0}])");
}

TEST(AdminJsonTest, CudaSharedMemory) {
  using Register = inference::CudaSharedMemoryRegisterRequest;
  const auto request = Read<Register>(R"({"raw_handle":{"b64":"AP8="},"device_id":2,"byte_size":7})");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->raw_handle(), std::string("\0\xFF", 2));
  EXPECT_EQ(request->device_id(), 2);
  EXPECT_EQ(request->byte_size(), 7u);
  EXPECT_EQ(Error<Register>(R"({"raw_handle":"AP8="})"), "raw_handle must be an object with the member b64");
  EXPECT_EQ(Error<Register>(R"({"raw_handle":{"b64":"?"}})"), "raw_handle.b64: must be base64");
  EXPECT_EQ(Error<Register>(R"({"raw_handle":{"b64":""},"device_id":18446744073709551615})"),
            "device_id is out of range");
  EXPECT_EQ(ToJson(inference::CudaSharedMemoryStatusResponse()).dump(), "[]");
}

TEST(AdminJsonTest, TraceSettings) {
  using Trace = inference::TraceSettingRequest;
  const auto request =
      Read<Trace>(R"({"trace_level":["TIMESTAMPS","TENSORS"],"trace_rate":"5","trace_count":7,"log_frequency":null})");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->settings().at("trace_level").value_size(), 2);
  EXPECT_EQ(request->settings().at("trace_rate").value(0), "5");
  EXPECT_EQ(request->settings().at("trace_count").value(0), "7");
  EXPECT_EQ(request->settings().at("log_frequency").value_size(), 0);
  EXPECT_EQ(Error<Trace>(R"({"trace_rate":[true]})"),
            "trace_rate: must be a string, an integer, a list of them or null");
  inference::TraceSettingResponse response;
  (*response.mutable_settings())["trace_rate"].add_value("5");
  (*response.mutable_settings())["trace_level"].add_value("OFF");
  EXPECT_EQ(ToJson(response).dump(), R"({"trace_level":["OFF"],"trace_rate":"5"})");
}

TEST(AdminJsonTest, LogSettings) {
  using Log = inference::LogSettingsRequest;
  const auto request = Read<Log>(R"({"log_info":true,"log_verbose_level":1,"log_format":"default"})");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_TRUE(request->settings().at("log_info").bool_param());
  EXPECT_EQ(request->settings().at("log_verbose_level").uint32_param(), 1u);
  EXPECT_EQ(request->settings().at("log_format").string_param(), "default");
  EXPECT_EQ(Error<Log>(R"({"log_verbose_level":4294967296})"),
            "log_verbose_level: must be a boolean, an integer from 0 to 4294967295 or a string");
  inference::LogSettingsResponse response;
  (*response.mutable_settings())["log_info"].set_bool_param(false);
  (*response.mutable_settings())["log_verbose_level"].set_uint32_param(0);
  EXPECT_EQ(ToJson(response).dump(), R"({"log_info":false,"log_verbose_level":0})");
}

TEST(AdminJsonTest, ModelMetadataAndConfig) {
  inference::ModelMetadataResponse metadata;
  metadata.set_name("m");
  metadata.add_inputs()->add_shape(-1);
  EXPECT_EQ(ToJson(metadata).dump(), R"({"name":"m","versions":[],"platform":"",)"
                                     R"("inputs":[{"name":"","datatype":"","shape":[-1]}],"outputs":[]})");
  (*metadata.mutable_properties())["k"] = "v";
  EXPECT_EQ(ToJson(metadata)["properties"]["k"], "v");
  inference::ModelConfigResponse config;
  config.mutable_config()->set_name("m");
  EXPECT_EQ(ToJson(config)["name"], "m");
}

}  // namespace
}  // namespace msq::server

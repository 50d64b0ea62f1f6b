#include "server/models/load_parameters.h"

#include <gtest/gtest.h>

#include "base/status.h"
#include "server/models/model_config.h"

namespace msq::server {
namespace {

using Parameters = google::protobuf::Map<std::string, inference::ModelRepositoryParameter>;

std::string ErrorOf(const Parameters& parameters) {
  const auto request = ReadLoadParameters(parameters);
  EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument) << request.status();
  return std::string(Message(request.status()));
}

TEST(LoadParametersTest, NothingIsALoadFromDisk) {
  const auto request = ReadLoadParameters({});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_TRUE(request->config.empty());
  EXPECT_TRUE(request->files.empty());
}

TEST(LoadParametersTest, ConfigAndFiles) {
  Parameters parameters;
  parameters["config"].set_string_param("{}");
  parameters["file:1/model.msq"].set_bytes_param("one");
  parameters["file:12/model.msq"].set_bytes_param("");
  const auto request = ReadLoadParameters(parameters);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->config, "{}");
  EXPECT_EQ(request->files, (std::map<std::string, std::string>{{"1/model.msq", "one"}, {"12/model.msq", ""}}));
}

TEST(LoadParametersTest, ErrorsNameTheParameter) {
  Parameters parameters;
  parameters["config"].set_bool_param(true);
  EXPECT_EQ(ErrorOf(parameters), "parameter 'config' must be a string");
  parameters["config"].set_string_param("");
  EXPECT_EQ(ErrorOf(parameters), "parameter 'config' is empty");
  parameters["config"].set_string_param(std::string(kMaxConfigBytes + 1, ' '));
  EXPECT_EQ(ErrorOf(parameters), "parameter 'config' is larger than 1048576 bytes");
  parameters.clear();
  parameters["verbose"].set_bool_param(true);
  EXPECT_EQ(ErrorOf(parameters), "parameter 'verbose' is not known; there are 'config' and 'file:<version>/model.msq'");
  parameters.clear();
  parameters["file:1/model.msq"].set_bytes_param("x");
  EXPECT_EQ(ErrorOf(parameters), "parameter 'file:1/model.msq' needs the parameter 'config' beside it");
  parameters["file:1/model.msq"].set_string_param("x");
  EXPECT_EQ(ErrorOf(parameters), "parameter 'file:1/model.msq' must be bytes");
}

TEST(LoadParametersTest, OnlyPathsOfArtifactsAreTaken) {
  for (const char* path : {"", "model.msq", "/model.msq", "../1/model.msq", "1/../model.msq", "0/model.msq",
                           "-1/model.msq", "01/model.msq", "1/model.msq/", "1/other.bin", "x/model.msq",
                           "/etc/model.msq", "99999999999999999999/model.msq"}) {
    Parameters parameters;
    parameters["config"].set_string_param("{}");
    parameters[std::string("file:") + path].set_bytes_param("x");
    const absl::Status status = ReadLoadParameters(parameters).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << path;
    EXPECT_EQ(Message(status).find("failed to poll from model repository: parameter 'file:"), 0u) << status;
    EXPECT_NE(Message(status).find("must be <version>/model.msq"), std::string_view::npos) << status;
  }
}

}  // namespace
}  // namespace msq::server

#include "server/http/route.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace msq::server {
namespace {

Route Find(std::string_view path) {
  const auto route = FindRoute(path);
  EXPECT_TRUE(route.ok() && route->has_value()) << path;
  return route.ok() && route->has_value() ? **route : Route{Endpoint::kLogSettings, "", "?", "?"};
}

TEST(RouteTest, EveryEndpointIsFound) {
  const struct {
    const char* path;
    Endpoint endpoint;
    const char* name;
    const char* version;
  } rows[] = {
      {"/v2", Endpoint::kServerMetadata, "", ""},
      {"/v2/", Endpoint::kServerMetadata, "", ""},
      {"/v2/health/live", Endpoint::kServerLive, "", ""},
      {"/v2/health/ready", Endpoint::kServerReady, "", ""},
      {"/v2/models/m", Endpoint::kModelMetadata, "m", ""},
      {"/v2/models/m/versions/7", Endpoint::kModelMetadata, "m", "7"},
      {"/v2/models/m/ready", Endpoint::kModelReady, "m", ""},
      {"/v2/models/m/versions/7/ready", Endpoint::kModelReady, "m", "7"},
      {"/v2/models/m/infer", Endpoint::kModelInfer, "m", ""},
      {"/v2/models/m/versions/7/infer", Endpoint::kModelInfer, "m", "7"},
      {"/v2/models/m/config", Endpoint::kModelConfig, "m", ""},
      {"/v2/models/m/versions/7/config", Endpoint::kModelConfig, "m", "7"},
      {"/v2/models/m/stats", Endpoint::kModelStatistics, "m", ""},
      {"/v2/models/m/versions/7/stats", Endpoint::kModelStatistics, "m", "7"},
      {"/v2/models/stats", Endpoint::kModelStatistics, "", ""},
      {"/v2/models/stats/stats", Endpoint::kModelStatistics, "stats", ""},
      {"/v2/models/m/trace/setting", Endpoint::kTraceSetting, "m", ""},
      {"/v2/trace/setting", Endpoint::kTraceSetting, "", ""},
      {"/v2/logging", Endpoint::kLogSettings, "", ""},
      {"/v2/repository/index", Endpoint::kRepositoryIndex, "", ""},
      {"/v2/repository/models/m/load", Endpoint::kRepositoryModelLoad, "m", ""},
      {"/v2/repository/models/m/unload", Endpoint::kRepositoryModelUnload, "m", ""},
      {"/v2/systemsharedmemory/status", Endpoint::kSystemSharedMemoryStatus, "", ""},
      {"/v2/systemsharedmemory/region/r/status", Endpoint::kSystemSharedMemoryStatus, "r", ""},
      {"/v2/systemsharedmemory/region/r/register", Endpoint::kSystemSharedMemoryRegister, "r", ""},
      {"/v2/systemsharedmemory/unregister", Endpoint::kSystemSharedMemoryUnregister, "", ""},
      {"/v2/systemsharedmemory/region/r/unregister", Endpoint::kSystemSharedMemoryUnregister, "r", ""},
      {"/v2/cudasharedmemory/status", Endpoint::kCudaSharedMemoryStatus, "", ""},
      {"/v2/cudasharedmemory/region/r/status", Endpoint::kCudaSharedMemoryStatus, "r", ""},
      {"/v2/cudasharedmemory/region/r/register", Endpoint::kCudaSharedMemoryRegister, "r", ""},
      {"/v2/cudasharedmemory/unregister", Endpoint::kCudaSharedMemoryUnregister, "", ""},
      {"/v2/cudasharedmemory/region/r/unregister", Endpoint::kCudaSharedMemoryUnregister, "r", ""},
  };
  for (const auto& row : rows) {
    const Route route = Find(row.path);
    EXPECT_EQ(route.endpoint, row.endpoint) << row.path;
    EXPECT_EQ(route.name, row.name) << row.path;
    EXPECT_EQ(route.version, row.version) << row.path;
  }
}

TEST(RouteTest, NamesAreDecodedAfterThePathIsCut) {
  EXPECT_EQ(Find("/v2/models/a%2Fb%20%c3%a9/infer").name, "a/b \xC3\xA9");
  EXPECT_EQ(Find("/v2/models/a+b/infer").name, "a+b");
  for (const char* path : {"/v2/models/a%/infer", "/v2/models/a%2/infer", "/v2/models/a%zz/infer"}) {
    EXPECT_EQ(FindRoute(path).status().code(), absl::StatusCode::kInvalidArgument) << path;
  }
}

TEST(RouteTest, OthersAreNone) {
  for (const char* path : {"", "/", "/v3", "/V2", "/v2/models", "/v2/models//infer", "/v2/models/m/infer/x", "//v2",
                           "/v2/models/m/versions//ready", "/metrics"}) {
    const auto route = FindRoute(path);
    ASSERT_TRUE(route.ok()) << path;
    EXPECT_FALSE(route->has_value()) << path;
  }
}

TEST(RouteTest, MethodsAreTheEndpoints) {
  EXPECT_TRUE(Find("/v2").Takes("GET"));
  EXPECT_TRUE(Find("/v2").Takes("HEAD"));
  EXPECT_FALSE(Find("/v2").Takes("POST"));
  EXPECT_FALSE(Find("/v2").Takes("GET, HEAD"));
  EXPECT_TRUE(Find("/v2/models/m/infer").Takes("POST"));
  EXPECT_FALSE(Find("/v2/models/m/infer").Takes("GET"));
  EXPECT_TRUE(Find("/v2/logging").Takes("GET"));
  EXPECT_TRUE(Find("/v2/logging").Takes("POST"));
}

}  // namespace
}  // namespace msq::server

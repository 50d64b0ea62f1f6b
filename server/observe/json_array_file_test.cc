#include "server/observe/json_array_file.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include <gtest/gtest.h>

namespace msq::server {
namespace {

using Json = nlohmann::json;

TEST(JsonArrayFileTest, AFailedAppendLeavesWhatWasThere) {
  const std::string path = ::testing::TempDir() + "array_" + std::to_string(getpid()) + ".json";
  JsonArrayFile file;
  ASSERT_TRUE(file.Open(path).ok());
  ASSERT_TRUE(file.Append("1,2").ok());
  rlimit limit = {};
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlim_t before = std::exchange(limit.rlim_cur, 16);
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &limit);
  const absl::Status status = file.Append("\"" + std::string(100, 'x') + "\"");
  limit.rlim_cur = before;
  setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  ASSERT_TRUE(file.Append("3").ok());
  std::ifstream stream(path);
  EXPECT_EQ(Json::parse(stream, nullptr, false), Json({1, 2, 3}));
  std::filesystem::remove(path);
  EXPECT_EQ(file.Open(path + "/x").code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace msq::server

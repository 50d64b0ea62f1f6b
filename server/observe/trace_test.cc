#include "server/observe/trace.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "base/status.h"

namespace msq::server {
namespace {

using Json = nlohmann::json;

class TraceTest : public ::testing::Test {
 protected:
  TraceTest() : folder_(::testing::TempDir() + "trace_" + std::to_string(getpid())), path_(folder_ + "/trace.json") {
    std::filesystem::create_directories(folder_);
  }
  ~TraceTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Tracer> Create(const TraceSettingMap& defaults) {
    auto tracer = Tracer::Create(path_, defaults);
    EXPECT_TRUE(tracer.ok()) << tracer.status();
    return tracer.ok() ? *std::move(tracer) : nullptr;
  }
  // The ids of the traces in a file, which must be valid JSON now.
  static std::vector<uint64_t> IdsIn(const std::string& path) {
    std::ifstream file(path);
    const Json json = Json::parse(file, nullptr, false);
    EXPECT_TRUE(json.is_array()) << path;
    std::vector<uint64_t> ids;
    for (const Json& item : json) {
      if (item.contains("timestamps")) ids.push_back(item["id"]);
    }
    return ids;
  }
  static TraceRecord Record(uint64_t id, const std::string& model = "m") {
    TraceRecord record;
    record.id = id;
    record.model = model;
    record.version = 1;
    return record;
  }
  static int CountSampled(Tracer& tracer, const std::string& model, int requests) {
    int sampled = 0;
    for (int i = 0; i < requests; ++i) sampled += tracer.Sample(model) != 0;
    return sampled;
  }

  const std::string folder_;
  const std::string path_;
};

using Ids = std::vector<uint64_t>;

TEST_F(TraceTest, WritesTritonsFormat) {
  const auto tracer = Create({{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"1"}}});
  TraceRecord record = Record(tracer->Sample("m"));
  record.request_id = "a \"quoted\" id \xff";
  record.backend = "cpu";
  for (int i = 0; i < kTracePointCount; ++i) record.at_ns[i] = 100 + i;
  tracer->Write(record);
  TraceRecord refused = Record(tracer->Sample("m"));
  refused[TracePoint::kRequestStart] = 200;
  refused[TracePoint::kRequestEnd] = 201;
  tracer->Write(refused);

  std::ifstream file(path_);
  const Json json = Json::parse(file, nullptr, false);
  ASSERT_EQ(json.size(), 4u);
  EXPECT_EQ(json[0], Json({{"id", 1},
                           {"model_name", "m"},
                           {"model_version", 1},
                           {"request_id", "a \"quoted\" id \xef\xbf\xbd"},
                           {"backend", "cpu"}}));
  EXPECT_EQ(json[1]["timestamps"].size(), 7u);
  EXPECT_EQ(json[1]["timestamps"][0], Json({{"name", "REQUEST_START"}, {"ns", 100}}));
  EXPECT_EQ(json[1]["timestamps"][3], Json({{"name", "COMPUTE_INPUT_END"}, {"ns", 103}}));
  EXPECT_EQ(json[2], Json({{"id", 2}, {"model_name", "m"}, {"model_version", 1}}));
  EXPECT_EQ(json[3], Json::parse(R"({"id": 2, "timestamps": [{"name": "REQUEST_START", "ns": 200},
                                                             {"name": "REQUEST_END", "ns": 201}]})"));
}

TEST_F(TraceTest, IsOffByDefault) {
  const auto tracer = Create({});
  EXPECT_EQ(tracer->Sample("m"), 0u);
  EXPECT_EQ(tracer->Get(""), (TraceSettingMap{{"trace_file", {path_}},
                                              {"trace_level", {"OFF"}},
                                              {"trace_rate", {"1000"}},
                                              {"trace_count", {"-1"}},
                                              {"log_frequency", {"0"}},
                                              {"trace_mode", {"triton"}}}));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(TraceTest, SamplesEveryRatethUntilTheCountIsUsedUp) {
  const auto tracer = Create({{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"3"}}, {"trace_count", {"2"}}});
  std::vector<uint64_t> sampled;
  for (int i = 0; i < 12; ++i) sampled.push_back(tracer->Sample(i % 2 == 0 ? "a" : "b"));
  EXPECT_EQ(sampled, (Ids{0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(tracer->Get("")["trace_count"], std::vector<std::string>{"0"});
  ASSERT_TRUE(tracer->Update("", {{"trace_count", {"1"}}}).ok());
  EXPECT_EQ(CountSampled(*tracer, "a", 12), 1);
}

TEST_F(TraceTest, AModelsSettingsStandOverTheGlobalOnes) {
  const auto tracer = Create({{"trace_rate", {"2"}}});
  ASSERT_TRUE(tracer->Update("a", {{"trace_level", {"TIMESTAMPS"}}}).ok());
  EXPECT_EQ(CountSampled(*tracer, "a", 8), 4);
  EXPECT_EQ(CountSampled(*tracer, "b", 8), 0);
  // What the model did not set follows.
  ASSERT_TRUE(tracer->Update("", {{"trace_rate", {"4"}}, {"trace_level", {"OFF"}}}).ok());
  EXPECT_EQ(tracer->Get("a")["trace_rate"], std::vector<std::string>{"4"});
  EXPECT_EQ(tracer->Get("a")["trace_level"], std::vector<std::string>{"TIMESTAMPS"});
  EXPECT_EQ(CountSampled(*tracer, "a", 8), 2);
  // Cleared, it follows again, in counting too.
  ASSERT_TRUE(tracer->Update("a", {{"trace_level", {}}}).ok());
  EXPECT_EQ(tracer->Get("a"), tracer->Get(""));
  EXPECT_EQ(CountSampled(*tracer, "a", 8), 0);
  // Cleared, the global ones are the command line's.
  ASSERT_TRUE(tracer->Update("", {{"trace_rate", {}}, {"trace_mode", {"triton"}}}).ok());
  EXPECT_EQ(tracer->Get("")["trace_rate"], std::vector<std::string>{"2"});
}

TEST_F(TraceTest, RefusesBadSettingsAndChangesNothing) {
  const auto tracer = Create({});
  const auto before = tracer->Get("");
  const std::tuple<std::string, std::vector<std::string>, std::string> cases[] = {
      {"trace_level", {"TENSORS"}, "TENSORS is not supported"},
      {"trace_level", {"LOUD"}, "got: LOUD"},
      {"trace_level", {"OFF", "TIMESTAMPS"}, "either OFF or TIMESTAMPS"},
      {"trace_rate", {"0"}, "unable to parse 'trace_rate': expect a number of at least 1, got: 0"},
      {"trace_rate", {"1", "2"}, "expect only 1 value for 'trace_rate'"},
      {"trace_rate", {"4294967296"}, "unable to parse 'trace_rate'"},
      {"trace_count", {"-2"}, "unable to parse 'trace_count'"},
      {"log_frequency", {"x"}, "unable to parse 'log_frequency'"},
      {"trace_mode", {"opentelemetry"}, "'trace_mode' can only be triton"},
      {"trace_noise", {"1"}, "unsupported trace setting: 'trace_noise'"},
  };
  for (const auto& [name, values, cause] : cases) {
    TraceSettingMap changes = {{"log_frequency", {"9"}}, {"trace_rate", {"9"}}};
    changes[name] = values;
    const absl::Status status = tracer->Update("", changes);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_NE(Message(status).find(cause), std::string_view::npos) << status;
    EXPECT_EQ(tracer->Get(""), before);
  }
  const absl::Status file = tracer->Update("m", {{"trace_file", {"/tmp/x"}}});
  EXPECT_EQ(file.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(Message(file), "trace file location can not be updated through network protocol");
}

TEST_F(TraceTest, NeedsAFileToBeSwitchedOn) {
  const auto tracer = Tracer::Create("", {});
  ASSERT_TRUE(tracer.ok());
  for (const std::string model : {"", "m"}) {
    const absl::Status status = (*tracer)->Update(model, {{"trace_level", {"TIMESTAMPS"}}});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(Message(status).find("without a trace file"), std::string_view::npos);
  }
  EXPECT_FALSE(Tracer::Create("", {{"trace_level", {"TIMESTAMPS"}}}).ok());
  EXPECT_EQ(Tracer::Create(folder_ + "/absent/x", {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Tracer::Create(folder_, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TraceTest, LogFrequencySplitsIntoFiles) {
  const auto tracer = Create({{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"1"}}, {"log_frequency", {"2"}}});
  for (uint64_t id = 1; id <= 5; ++id) tracer->Write(Record(id));
  EXPECT_EQ(IdsIn(path_ + ".0"), (Ids{1, 2}));
  EXPECT_EQ(IdsIn(path_ + ".1"), (Ids{3, 4}));
  EXPECT_EQ(IdsIn(path_ + ".2"), (Ids{5}));
  // A model with a frequency of its own has files of its own.
  ASSERT_TRUE(tracer->Update("n", {{"log_frequency", {"1"}}}).ok());
  tracer->Write(Record(6, "n"));
  tracer->Write(Record(7));
  EXPECT_EQ(IdsIn(path_ + ".3"), (Ids{6}));
  EXPECT_EQ(IdsIn(path_ + ".2"), (Ids{5, 7}));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(TraceTest, LogFrequencyMakesALimitedNumberOfFiles) {
  const auto tracer = Create({{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"1"}}, {"log_frequency", {"1"}}});
  ::testing::internal::CaptureStderr();
  for (uint64_t id = 1; id <= 1003; ++id) tracer->Write(Record(id));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  EXPECT_NE(log.find("log_frequency has made 1000 files"), log.npos) << log;
  EXPECT_EQ(IdsIn(path_ + ".999"), (Ids{1000}));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".1000"));
  EXPECT_EQ(tracer->Sample("m"), 0u);
  // Without it there is one file, which has no such limit.
  ASSERT_TRUE(tracer->Update("", {{"log_frequency", {"0"}}}).ok());
  tracer->Write(Record(7));
  EXPECT_EQ(IdsIn(path_), (Ids{7}));
}

TEST_F(TraceTest, FollowsNoLinks) {
  const std::string precious = folder_ + "/precious";
  std::ofstream(precious) << "text";
  std::filesystem::create_symlink(precious, path_ + ".0");
  const auto tracer = Create({{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"1"}}, {"log_frequency", {"1"}}});
  ::testing::internal::CaptureStderr();
  tracer->Write(Record(1));
  EXPECT_NE(::testing::internal::GetCapturedStderr().find(path_ + ".0: cannot be opened"), std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(precious), 4u);
}

TEST_F(TraceTest, AFullDiskPausesTracing) {
  const auto tracer = Tracer::Create("/dev/full", {{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"1"}}});
  ASSERT_TRUE(tracer.ok());
  ::testing::internal::CaptureStderr();
  ASSERT_EQ((*tracer)->Sample("m"), 1u);
  ASSERT_EQ((*tracer)->Sample("m"), 2u);
  (*tracer)->Write(Record(1));
  (*tracer)->Write(Record(2));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  EXPECT_NE(log.find("/dev/full: cannot be written: No space left"), log.npos) << log;
  EXPECT_EQ((*tracer)->Sample("m"), 0u);
  ASSERT_TRUE((*tracer)->Update("", {{"trace_count", {"5"}}}).ok());
  EXPECT_EQ((*tracer)->Sample("m"), 3u);
}

TEST_F(TraceTest, ThreadsTraceAtOnce) {
  const auto tracer = Create({{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"2"}}});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&tracer] {
      for (int i = 0; i < 100; ++i) {
        if (const uint64_t id = tracer->Sample("m")) tracer->Write(Record(id));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Ids ids = IdsIn(path_);
  EXPECT_EQ(ids.size(), 200u);
  EXPECT_EQ(std::set<uint64_t>(ids.begin(), ids.end()).size(), 200u);
}

}  // namespace
}  // namespace msq::server

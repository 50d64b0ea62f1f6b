// Hundreds of reloads leave neither memory nor series behind, and take no longer than the first ones.
#include <algorithm>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <time.h>
#include <unistd.h>

#include "absl/time/time.h"
#include "model/format/artifact.h"
#include "model/testing/sample_model.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kHasOwnMemory = false;  // sanitizers keep what was freed
#else
constexpr bool kHasOwnMemory = true;
#endif

constexpr int kReloads = 200;
constexpr int kFirst = 40;  // after which everything has its working size
constexpr size_t kLabelBytes = 100'000;
constexpr int64_t kLabels = 10;

// What is left after the first reloads is the allocator's: pieces that it has not given back, which come and go by a
// few copies of the model. One reload of twenty that forgets a copy takes this much.
constexpr int64_t kGrowth = (kReloads - kFirst) / 20 * kLabels * static_cast<int64_t>(kLabelBytes);

int64_t ResidentBytes() {
  int64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// Of this process: what else the machine does matters little.
absl::Duration ProcessorTime() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

int64_t Lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

TEST(ReloadTest, LeavesNeitherMemoryNorSeriesNorTime) {
  testing::ServingStack stack;
  ir::Model model = msq::testing::SampleModel();
  // Large labels, so that one forgotten copy of the model is seen.
  model.outputs[0].labels.assign(kLabels, std::string(kLabelBytes, 'x'));
  stack.folder().AddModel("m", 1, model);
  stack.folder().AddModel("m", 2, model);
  stack.Open({.repository = {.mode = ModelRepository::Mode::kExplicit, .startup_models = {"m"}}});
  int64_t first_bytes = 0, first_lines = 0;
  absl::Duration first_time = absl::ZeroDuration(), last_time = absl::ZeroDuration();
  for (int i = 0; i < kReloads; ++i) {
    const absl::Duration begin = ProcessorTime();
    const std::string versions = i % 2 == 0 ? "[1]" : "[1, 2]";
    ASSERT_TRUE(
        stack.Load("m", {.config = R"({"version_policy": {"specific": {"versions": )" + versions + "}}}"}).ok());
    const absl::Duration took = ProcessorTime() - begin;
    ASSERT_TRUE(stack.Infer(testing::SampleRequest()).ok());
    if (i % 10 == 9) {
      ASSERT_TRUE(stack.Unload("m").ok());
    }
    if (i < kFirst) first_time += took;
    if (i >= kReloads - kFirst) last_time += took;
    if (i == kFirst - 1) {
      ASSERT_TRUE(testing::Eventually([&] { return stack.MetricsText().find("model=\"m\"") == std::string::npos; }));
      first_bytes = ResidentBytes();
      first_lines = Lines(stack.MetricsText());
    }
  }
  EXPECT_TRUE(testing::Eventually([&] { return Lines(stack.MetricsText()) == first_lines; })) << stack.MetricsText();
  // Work that grows with the reloads before would take nine times as long by now; what shares the processors makes it
  // take up to twice as long.
  EXPECT_LT(last_time, 3 * first_time);
  if (kHasOwnMemory) {
    const int64_t growth = ResidentBytes() - first_bytes;
    EXPECT_LT(growth, kGrowth) << "bytes";
    RecordProperty("growth_bytes", std::to_string(growth));
  }
}

}  // namespace
}  // namespace msq::server

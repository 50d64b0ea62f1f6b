#include "server/models/warm_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "model/testing/sample_model.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using msq::testing::SampleModel;
using ::testing::HasSubstr;

constexpr char kZeros[] = "data_type: TYPE_UINT8 dims: [ 3, 8, 8 ] zero_data: true";

class WarmUpTest : public ::testing::Test {
 protected:
  WarmUpTest() { folder_.AddModel("m", 1, SampleModel()); }

  // An entry that gives the input these fields.
  static std::string Entry(const std::string& input, const std::string& more = "") {
    return "model_warmup { name: 'w' " + more + " inputs { key: 'pixels' value { " + input + " } } }\n";
  }

  // What the index says after a start with the configuration.
  std::string IndexWith(const std::string& config) {
    folder_.AddFile("m/config.pbtxt", config);
    stack_.Open();
    return stack_.IndexText();
  }

  testing::ServingStack stack_;
  testing::TestRepository& folder_ = stack_.folder();
};

TEST_F(WarmUpTest, RunsEveryEntryAsOftenAsItSays) {
  folder_.AddFile("m/warmup/pixels.bin", std::string(192, 'x'));
  EXPECT_EQ(IndexWith(Entry(kZeros, "count: 3") +
                      Entry("data_type: TYPE_FP32 dims: [ 3, 8, 8 ] random_data: true", "batch_size: 8") +
                      Entry("data_type: TYPE_UINT8 dims: [ 3, 8, 8 ] input_data_file: 'pixels.bin'")),
            "m 1 READY\n");
  EXPECT_EQ(stack_.control().runs(), 5);
}

TEST(WarmUpDevicesTest, PassesOverABackendThatIsOutOfService) {
  testing::ServingStack stack({"fpga", "cpu"});
  stack.folder().AddModel("m", 1, SampleModel());
  stack.folder().AddFile("m/config.pbtxt",
                         "model_warmup { name: 'w' inputs { key: 'pixels' value { data_type: TYPE_UINT8 "
                         "dims: [ 3, 8, 8 ] zero_data: true } } }");
  stack.control(0).SetReady(false);
  stack.control(0).FailWith(Unavailable("gone"));
  stack.Open();
  EXPECT_EQ(stack.IndexText(), "m 1 READY\n");
  EXPECT_EQ(stack.control(0).runs(), 0);
  EXPECT_EQ(stack.control(1).runs(), 1);
}

TEST_F(WarmUpTest, IsNoClientsRequest) {
  ASSERT_EQ(IndexWith(Entry(kZeros, "count: 3")), "m 1 READY\n");
  inference::ModelStatistics statistics;
  (*stack_.repository().Find("m", ""))->statistics().Fill(&statistics);
  EXPECT_EQ(statistics.inference_count(), 0u);
  EXPECT_EQ(statistics.execution_count(), 0u);
  EXPECT_THAT(stack_.MetricsText(), HasSubstr("msq_requests_total{backend=\"cpu\",model=\"m\",version=\"1\"} 0\n"));
  EXPECT_THAT(stack_.MetricsText(), HasSubstr("msq_queued_requests{backend=\"cpu\",model=\"m\",version=\"1\"} 0\n"));
}

TEST_F(WarmUpTest, ModelsWithoutBatches) {
  EXPECT_EQ(IndexWith("max_batch_size: 0\n" + Entry(kZeros)), "m 1 READY\n");
  EXPECT_THAT(IndexWith("max_batch_size: 0\n" + Entry(kZeros, "batch_size: 2")),
              HasSubstr("model_warmup[0] 'w': batch_size: the model takes no batches"));
}

TEST_F(WarmUpTest, FailuresNameTheEntry) {
  EXPECT_THAT(IndexWith(Entry(kZeros) + "model_warmup { name: 'none' }"),
              HasSubstr("m 1 UNAVAILABLE: model_warmup[1] 'none' on cpu: "));
  EXPECT_THAT(IndexWith("model_warmup { name: 'w' inputs { key: 'x' value { " + std::string(kZeros) + " } } }"),
              HasSubstr("unexpected inference input 'x'"));
  EXPECT_THAT(IndexWith(Entry("data_type: TYPE_UINT8 dims: [ 3, 8, 9 ] zero_data: true")),
              HasSubstr("unexpected shape for input 'pixels'"));
  EXPECT_THAT(IndexWith(Entry(kZeros, "batch_size: 65")), HasSubstr("batch-size must be <= 64"));
  EXPECT_THAT(IndexWith(Entry("dims: 3 zero_data: true")), HasSubstr("data_type is missing or unknown"));
  EXPECT_THAT(IndexWith(Entry("data_type: TYPE_UINT8 dims: [ 3, 8, 8 ]")),
              HasSubstr("input 'pixels': one of zero_data"));
  EXPECT_THAT(IndexWith(Entry("data_type: TYPE_UINT8 dims: [ 1000000, 1000000, 1000000 ] zero_data: true")),
              HasSubstr("more than 1073741824 bytes"));
  EXPECT_THAT(IndexWith(Entry("data_type: TYPE_UINT8 dims: -3 zero_data: true")),
              HasSubstr("dims: a length is negative"));
  EXPECT_THAT(IndexWith(Entry(kZeros, "count: 1000000")), HasSubstr("count: 1000000 is more than"));
  stack_.control().FailWith(absl::InternalError("no luck"));
  EXPECT_THAT(IndexWith(Entry(kZeros)), HasSubstr("m 1 UNAVAILABLE: model_warmup[0] 'w' on cpu: no luck"));
}

TEST_F(WarmUpTest, DataFilesAreInTheirFolder) {
  folder_.AddFile("m/warmup/short.bin", "x");
  folder_.AddFile("secret", std::string(192, 'x'));
  const auto with_file = [&](const std::string& name) {
    return IndexWith(Entry("data_type: TYPE_UINT8 dims: [ 3, 8, 8 ] input_data_file: '" + name + "'"));
  };
  EXPECT_THAT(with_file("short.bin"), HasSubstr("warmup/short.bin: has 1 bytes, the input has 192"));
  EXPECT_THAT(with_file("none.bin"), HasSubstr("warmup/none.bin: is no file"));
  for (const char* name : {"", "..", "../../secret", "/etc/passwd", "a/b"}) {
    EXPECT_THAT(with_file(name), HasSubstr("is no name of a file in the model's folder 'warmup'")) << name;
  }
}

}  // namespace
}  // namespace msq::server

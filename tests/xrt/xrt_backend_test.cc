// The FPGA backend on boards behind the real XRT library: its answers are the CPU's, and boards that fail are left out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "backends/cpu/cpu_backend.h"
#include "backends/fpga/fpga_backend.h"
#include "backends/fpga/xrt_device.h"
#include "backends/testing/graph_builder.h"
#include "backends/testing/synthetic_networks.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

using ::testing::HasSubstr;

using Bytes = std::vector<std::vector<std::byte>>;

ir::Graph SmallNetwork() {
  msq::testing::GraphBuilder b("small");
  msq::testing::Layer layer;
  layer.window = {.kernel = {3, 3}, .pads = {1, 1, 1, 1}};
  const ir::TensorId in = b.Input({16, 8, 8});
  const ir::TensorId middle = b.Conv({in}, 32, layer);
  const ir::TensorId last = b.Conv({middle}, 32, layer);
  return std::move(b).Finish({last});
}

Bytes RandomInputs(const Executable& executable, int64_t batch) {
  std::mt19937 random(7);
  Bytes inputs;
  for (const TensorSpec& spec : executable.inputs()) {
    inputs.emplace_back(static_cast<size_t>(batch * spec.type.ByteSize()));
    for (std::byte& code : inputs.back()) code = static_cast<std::byte>(random() % (1u << spec.type.bits));
  }
  return inputs;
}

absl::StatusOr<Bytes> Ask(const Executable& executable, int64_t batch) {
  const auto type = [](const TensorSpec& spec) {
    return spec.type.kind == ir::TensorType::Kind::kCode ? ElementType::kCode : ElementType::kAccumulator;
  };
  const Bytes data = RandomInputs(executable, batch);
  std::vector<ConstTensorView> inputs;
  for (size_t i = 0; i < data.size(); ++i) inputs.push_back({type(executable.inputs()[i]), batch, data[i]});
  Bytes answer;
  for (const TensorSpec& spec : executable.outputs()) {
    answer.emplace_back(static_cast<size_t>(batch * spec.type.ByteSize()));
  }
  std::vector<TensorView> outputs;
  for (size_t i = 0; i < answer.size(); ++i) outputs.push_back({type(executable.outputs()[i]), batch, answer[i]});
  RunContext context;
  MSQ_RETURN_IF_ERROR(executable.Run(inputs, outputs, context));
  return answer;
}

class XrtBackendTest : public ::testing::Test {
 protected:
  XrtBackendTest() : cpu_(*cpu::CreateCpuBackend()) { options_.probe_interval = absl::Milliseconds(20); }

  // One device for each index, on boards with these options.
  absl::Status Open(const std::string& configuration, const std::string& driver,
                    const std::vector<int>& indices = {0}) {
    options_.configuration = *hw::FindConfiguration(configuration);
    const std::string file = configuration == "tiny" ? "tiny_test" : configuration;
    for (int index : indices) {
      const XrtDeviceOptions device = {
          .driver = "emu:," + driver, .index = index, .xclbin = MSQ_XCLBIN_DIR "/" + file + ".xclbin"};
      options_.devices.push_back({.name = "xrt " + std::to_string(index),
                                  .open = [device] { return OpenXrtDevice(device); },
                                  .accelerator = {.hang_timeout = hang_timeout_}});
    }
    auto backend = CreateFpgaBackend(options_, cpu_.get());
    if (!backend.ok()) return backend.status();
    backend_ = *std::move(backend);
    return absl::OkStatus();
  }
  void Load(const ir::Graph& graph) {
    auto executable = backend_->Prepare(graph, {});
    ASSERT_TRUE(executable.ok()) << executable.status();
    executable_ = *std::move(executable);
    on_cpu_ = *cpu_->Prepare(graph, {});
  }
  void ExpectRight(int64_t batch) {
    const auto answer = Ask(*executable_, batch);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(*answer, *Ask(*on_cpu_, batch));
  }
  // Waits for what another thread does, twenty seconds at most.
  static bool Eventually(const std::function<bool()>& done) {
    for (int i = 0; i < 2000 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return done();
  }

  absl::Duration hang_timeout_ = absl::Seconds(5);
  FpgaBackendOptions options_;
  const std::unique_ptr<Backend> cpu_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Executable> executable_, on_cpu_;
};

TEST_F(XrtBackendTest, AnswersAreTheCpusOnTheRtl) {
  ASSERT_TRUE(Open("tiny", "fidelity=rtl,memory=ideal").ok());
  Load(SmallNetwork());
  for (int64_t batch : {1, 3}) ExpectRight(batch);
}

TEST_F(XrtBackendTest, AnswersAreTheCpusOnTheModel) {
  ASSERT_TRUE(Open("z020", "devices=2", {0, 1}).ok());
  for (const ir::Graph& graph :
       {SmallNetwork(), msq::testing::ResNetCifar(1), msq::testing::MobileNetLike(), msq::testing::Perceptron()}) {
    Load(graph);
    for (int64_t batch : {1, 2}) ExpectRight(batch);
  }
}

TEST_F(XrtBackendTest, LeavesOutABoardThatHangs) {
  hang_timeout_ = absl::Milliseconds(300);
  ASSERT_TRUE(Open("tiny", "devices=2,fault.0=hang@3", {0, 1}).ok());
  Load(SmallNetwork());
  // The other board answers. In the end the board is back.
  for (int i = 0; i < 6; ++i) ExpectRight(1);
  const auto report = [this] { return backend_->Report().devices[0]; };
  EXPECT_TRUE(Eventually([&] { return report().quarantines >= 1 && report().ready; }));
}

TEST_F(XrtBackendTest, LeavesOutABoardThatCorrupts) {
  options_.verify_fraction = 1;
  options_.probe_interval = absl::Hours(1);
  ASSERT_TRUE(Open("tiny", "fault=flip@3+").ok());
  Load(SmallNetwork());
  EXPECT_TRUE(Eventually([&] {
    static_cast<void>(Ask(*executable_, 1));
    return !backend_->Report().devices[0].ready;
  }));
}

TEST_F(XrtBackendTest, NamesTheDesignThatIsWrong) {
  const absl::Status other = Open("tiny", "configuration=z020");
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition);
  options_.devices.clear();
  EXPECT_EQ(Open("tiny", "fault=wrong_id").code(), absl::StatusCode::kFailedPrecondition);
  options_.devices.clear();
  const absl::Status build = Open("tiny", "fault=wrong_build_id");
  EXPECT_EQ(build.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(build), HasSubstr("build"));
}

}  // namespace
}  // namespace msq::fpga

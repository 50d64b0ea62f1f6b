// The backend on boards that the test makes fail: answers are the CPU's, or there is an error that says why. Built for
// each kind of board (test_board.h).
#include <algorithm>
#include <array>
#include <random>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/cpu/cpu_backend.h"
#include "backends/fpga/fpga_backend.h"
#include "backends/fpga/testing/faulty_device.h"
#include "backends/testing/graph_builder.h"
#include "backends/testing/synthetic_networks.h"
#include "base/status.h"
#include "tests/fpga/test_board.h"

namespace msq::fpga {
namespace {

using ::msq::testing::GraphBuilder;
using testing::BoardFaults;
using ::testing::HasSubstr;

// [16,8,8] -> [32,8,8], codes.
ir::Graph SmallNetwork() {
  GraphBuilder builder("small");
  const ir::TensorId in = builder.Input({16, 8, 8});
  msq::testing::Layer layer;
  layer.window = {.kernel = {3, 3}, .pads = {1, 1, 1, 1}};
  const ir::TensorId middle = builder.Conv({in}, 32, layer);
  const ir::TensorId last = builder.Conv({middle}, 32, layer);
  return std::move(builder).Finish({last});
}

struct Answer {
  absl::Status status;
  std::vector<std::vector<std::byte>> outputs;
  RunStatistics statistics;
};

std::vector<std::vector<std::byte>> RandomInputs(const Executable& executable, int64_t batch) {
  std::mt19937 random(7);
  std::vector<std::vector<std::byte>> inputs;
  for (const TensorSpec& spec : executable.inputs()) {
    inputs.emplace_back(static_cast<size_t>(batch * spec.type.ByteSize()));
    const unsigned codes = 1u << spec.type.bits;
    std::generate(inputs.back().begin(), inputs.back().end(), [&] { return static_cast<std::byte>(random() % codes); });
  }
  return inputs;
}

Answer Ask(const Executable& executable, int64_t batch, absl::Time deadline = absl::InfiniteFuture()) {
  const auto type = [](const TensorSpec& spec) {
    return spec.type.kind == ir::TensorType::Kind::kCode ? ElementType::kCode : ElementType::kAccumulator;
  };
  const std::vector<std::vector<std::byte>> data = RandomInputs(executable, batch);
  std::vector<ConstTensorView> inputs;
  for (size_t i = 0; i < data.size(); ++i) inputs.push_back({type(executable.inputs()[i]), batch, data[i]});
  Answer answer;
  for (const TensorSpec& spec : executable.outputs()) {
    answer.outputs.emplace_back(static_cast<size_t>(batch * spec.type.ByteSize()));
  }
  std::vector<TensorView> outputs;
  for (size_t i = 0; i < answer.outputs.size(); ++i) {
    outputs.push_back({type(executable.outputs()[i]), batch, answer.outputs[i]});
  }
  RunContext context;
  context.deadline = deadline;
  answer.status = executable.Run(inputs, outputs, context);
  answer.statistics = context.statistics;
  return answer;
}

class FpgaBackendTest : public ::testing::Test {
 protected:
  FpgaBackendTest() : cpu_(*cpu::CreateCpuBackend()) {
    options_.configuration = *hw::FindConfiguration("tiny");
    options_.probe_interval = absl::Milliseconds(20);
    for (int i = 0; i < std::ssize(boards_); ++i) {
      const std::string name = "board " + std::to_string(i);
      options_.devices.push_back({name, [this, i, name]() -> absl::StatusOr<std::unique_ptr<Device>> {
                                    MSQ_ASSIGN_OR_RETURN(auto board, testing::OpenTestBoard(options_.configuration, i));
                                    return AddFaults(std::move(board), &boards_[static_cast<size_t>(i)], name);
                                  }});
      options_.devices.back().accelerator.hang_timeout = absl::Milliseconds(100);
    }
  }

  absl::Status Open(size_t devices = 1) {
    options_.devices.resize(devices);
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
  void ExpectRight(int64_t batch = 1) {
    const Answer answer = Ask(*executable_, batch);
    ASSERT_TRUE(answer.status.ok()) << answer.status;
    EXPECT_EQ(answer.outputs, Ask(*on_cpu_, batch).outputs);
  }
  DeviceReport Board(size_t i = 0) const { return backend_->Report().devices[i]; }
  // Waits for what another thread does, ten seconds at most.
  static bool Eventually(const std::function<bool()>& done) {
    for (int i = 0; i < 1000 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return done();
  }

  std::array<BoardFaults, 2> boards_;
  FpgaBackendOptions options_;
  const std::unique_ptr<Backend> cpu_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Executable> executable_, on_cpu_;
};

TEST_F(FpgaBackendTest, AnswersAreTheCpus) {
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(backend_->name(), "fpga");
  EXPECT_EQ(backend_->capabilities().device, "fpga tiny");
  Load(SmallNetwork());
  for (int64_t batch : {1, 2, 5}) ExpectRight(batch);
  Load(msq::testing::ResNetCifar(1));
  ExpectRight(3);
  const int64_t cycles = Board().cycles;
  const Answer answer = Ask(*executable_, 3);
  EXPECT_GT(answer.statistics.cycles, 0);
  EXPECT_EQ(Board().cycles - cycles, answer.statistics.cycles);
  EXPECT_EQ(Board().runs, 5);
}

TEST_F(FpgaBackendTest, DenseLayersTakeManySamplesAtATime) {
  ASSERT_TRUE(Open().ok());
  Load(msq::testing::Perceptron());
  const int64_t fold = executable_->preferred_batch();
  EXPECT_EQ(fold, 4 * options_.configuration.p);
  const int before = boards_[0].programs;
  int64_t runs = 0;
  for (int64_t batch : {int64_t{1}, int64_t{2}, fold, fold + 1, 3 * fold - 1}) {
    ExpectRight(batch);
    runs += (batch + fold - 1) / fold;
    EXPECT_EQ(boards_[0].programs - before, runs) << batch;
  }
  EXPECT_EQ(on_cpu_->preferred_batch(), 1);
}

TEST_F(FpgaBackendTest, TellsWhatItsDriversTell) {
  options_.devices[0].emulated = true;
  boards_[1].watts = 2.5;
  ASSERT_TRUE(Open(2).ok());
  Load(SmallNetwork());
  ExpectRight(4);
  EXPECT_GT(Board(0).running + Board(1).running, absl::ZeroDuration());
  EXPECT_LE(Board(0).running, Board(0).busy);
  ASSERT_TRUE(Board(0).emulates);
  EXPECT_EQ(Board(0).emulates->name, "xc7z020");
  EXPECT_EQ(Board(0).emulates->dsp_products_per_cycle, 2 * 6 * 16);  // of "tiny"
  EXPECT_EQ(Board(0).emulates->lut_products_per_cycle, 2 * 10 * 16);
  EXPECT_FALSE(Board(1).emulates);
  EXPECT_GT(executable_->weight_bytes(), 32 * 16 * 9 / 2);
  const std::vector<DevicePower> power = backend_->ReadPower();
  ASSERT_EQ(power.size(), 1u);
  EXPECT_EQ(power[0].device, "board 1");
  EXPECT_EQ(power[0].watts, 2.5);
}

// What reads it may know at any time what was done, and since when it is not.
TEST_F(FpgaBackendTest, TellsOfEachProgramAsItRunsAndEnds) {
  for (auto& device : options_.devices) device.accelerator.hang_timeout = absl::Seconds(10);
  ASSERT_TRUE(Open().ok());
  Load(SmallNetwork());
  ExpectRight();
  EXPECT_FALSE(Board().running_since);
  boards_[0].delay_ms = 300;
  const DeviceReport before = Board();
  const auto start = std::chrono::steady_clock::now();
  std::thread asks([&] { EXPECT_TRUE(Ask(*executable_, 2).status.ok()); });  // two programs
  const bool began = Eventually([&] { return Board().running_since.has_value(); });
  const DeviceReport first = Board();
  const bool ended = Eventually([&] { return Board().cycles > before.cycles; });
  const DeviceReport second = Board();
  asks.join();
  ASSERT_TRUE(began && ended);
  ASSERT_TRUE(first.running_since);
  EXPECT_GE(*first.running_since, start);
  EXPECT_EQ(first.cycles, before.cycles);
  EXPECT_EQ(first.running, before.running);
  EXPECT_EQ(second.runs, before.runs);  // the batch goes on
  EXPECT_GE(second.running - before.running, absl::Milliseconds(300));
  EXPECT_FALSE(Board().running_since);
  EXPECT_EQ(Board().runs, before.runs + 1);
  EXPECT_EQ(Board().cycles - before.cycles, 2 * (second.cycles - before.cycles));
}

TEST_F(FpgaBackendTest, ABoardThatFailedRunsNothing) {
  options_.probe_interval = absl::Hours(1);
  ASSERT_TRUE(Open().ok());
  Load(SmallNetwork());
  boards_[0].hangs = true;
  EXPECT_FALSE(Ask(*executable_, 1).status.ok());
  EXPECT_FALSE(Board().running_since);
}

TEST_F(FpgaBackendTest, ABoardInQuarantineTellsNoPower) {
  boards_[0].watts = 2.5;
  options_.probe_interval = absl::Hours(1);
  ASSERT_TRUE(Open().ok());
  Load(SmallNetwork());
  boards_[0].dead = true;
  EXPECT_FALSE(Ask(*executable_, 1).status.ok());
  EXPECT_TRUE(backend_->ReadPower().empty());
  EXPECT_FALSE(Board().ready);
}

TEST_F(FpgaBackendTest, RunsOfManyThreads) {
  ASSERT_TRUE(Open(2).ok());
  Load(SmallNetwork());
  const Answer expected = Ask(*on_cpu_, 3);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 5; ++k) wrong += Ask(*executable_, 3).outputs != expected.outputs;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(Board(0).runs + Board(1).runs, 20);
}

// A reshape that moves channels is nothing for the accelerator: the layers around it are.
TEST_F(FpgaBackendTest, WhatTheAcceleratorLacksRunsOnTheCpu) {
  GraphBuilder builder("partly");
  const ir::TensorId in = builder.Input({16, 4, 4});
  const ir::TensorId first = builder.Conv({in}, 16, {});
  const ir::TensorId moved = builder.Add(ir::Reshape{}, {first}, {}, {4, 8, 8});
  const ir::TensorId last = builder.Conv({moved}, 16, {});
  const ir::Graph graph = std::move(builder).Finish({first, last, last, in});
  ASSERT_TRUE(Open().ok());
  Load(graph);
  ExpectRight(2);
  EXPECT_EQ(Board().runs, 2);  // one a stage
}

TEST_F(FpgaBackendTest, ANetworkWithoutWeightsRunsOnTheCpu) {
  GraphBuilder builder("none");
  const ir::TensorId in = builder.Input({16, 4, 4});
  const ir::TensorId pooled = builder.Add(ir::MaxPool{{.kernel = {2, 2}, .strides = {2, 2}}}, {in});
  ASSERT_TRUE(Open().ok());
  Load(std::move(builder).Finish({pooled}));
  ExpectRight();
  EXPECT_EQ(Board().runs, 0);
}

TEST_F(FpgaBackendTest, AnotherDesignIsToldApart) {
  boards_[0].wrong_build = true;
  const absl::Status status = Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("board 0: register build_id reads 0x"));
}

TEST_F(FpgaBackendTest, ABoardThatComputesWronglyIsNotOpened) {
  boards_[0].wrong_bits = true;
  EXPECT_EQ(Open(), Unavailable("board 0: self-test: wrong answer"));
}

TEST_F(FpgaBackendTest, AnErrorQuarantinesUntilAProbeSucceeds) {
  ASSERT_TRUE(Open().ok());
  Load(SmallNetwork());
  boards_[0].bus_error = true;
  EXPECT_EQ(
      Ask(*executable_, 1).status,
      Unavailable("every accelerator is quarantined (board 0: the program ended with axi_error at instruction 0)"));
  EXPECT_FALSE(Board().ready);
  EXPECT_THAT(Board().why, HasSubstr("axi_error"));
  EXPECT_EQ(Board().quarantines, 1);
  boards_[0].bus_error = false;
  ASSERT_TRUE(Eventually([&] { return Board().ready; }));
  ExpectRight();
  EXPECT_GE(boards_[0].opened, 2);
}

TEST_F(FpgaBackendTest, AHangEndsWithinItsTimeout) {
  ASSERT_TRUE(Open().ok());
  Load(SmallNetwork());
  boards_[0].hangs = true;
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(absl::IsUnavailable(Ask(*executable_, 4).status));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  EXPECT_THAT(Board().why, HasSubstr("the program has not ended in 100ms"));
}

TEST_F(FpgaBackendTest, AnotherBoardTakesOver) {
  boards_[1].dead = true;  // from the start
  ASSERT_TRUE(Open(2).ok());
  EXPECT_FALSE(Board(1).ready);
  Load(SmallNetwork());
  ExpectRight(2);
  boards_[1].dead = false;
  ASSERT_TRUE(Eventually([&] { return Board(1).ready; }));
  boards_[0].dead = true;
  ExpectRight(3);
  ExpectRight(3);
  EXPECT_FALSE(Board(0).ready);
  EXPECT_EQ(Board(1).runs, 2);
}

TEST_F(FpgaBackendTest, WrongAnswersAreFound) {
  options_.verify_fraction = 0.5;
  ASSERT_TRUE(Open().ok());
  Load(SmallNetwork());
  ExpectRight(4);
  ASSERT_TRUE(Eventually([&] { return backend_->Report().verified == 2; }));
  EXPECT_EQ(backend_->Report().mismatches, 0);
  boards_[0].wrong_bits = true;
  EXPECT_TRUE(Ask(*executable_, 2).status.ok());  // nobody knows yet
  ASSERT_TRUE(Eventually([&] { return !Board().ready; }));
  EXPECT_EQ(backend_->Report().mismatches, 1);
  EXPECT_EQ(Board().quarantines, 1);
}

// Which backend computes it then is the server's affair: the device is sound.
TEST_F(FpgaBackendTest, AProgramWithoutRoomIsForAnotherBackend) {
  boards_[0].memory = 64 << 10;
  ASSERT_TRUE(Open().ok());
  Load(msq::testing::Perceptron());  // 1.8 million weights
  const absl::Status status = Ask(*executable_, 1).status;
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("'perceptron': "));
  EXPECT_TRUE(Board().ready);
}

TEST_F(FpgaBackendTest, MemoryThatOthersDoNotUseIsGivenBack) {
  boards_[0].memory = 1500 << 10;  // a copy of one network, not of two
  ASSERT_TRUE(Open().ok());
  Load(msq::testing::Perceptron());
  ExpectRight(1);
  const std::unique_ptr<Executable> other = std::move(executable_);
  Load(msq::testing::Perceptron());
  const Answer expected = Ask(*on_cpu_, 1);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { wrong += Ask(*executable_, 1).outputs != expected.outputs; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(Ask(*other, 1).outputs, expected.outputs);
}

// Programs that outlive their time: nobody gets an answer that was not computed for him.
TEST_F(FpgaBackendTest, NothingIsAnsweredFromAProgramThatWasGivenUp) {
  ASSERT_TRUE(Open().ok());
  Load(SmallNetwork());
  const Answer expected = Ask(*on_cpu_, 1);
  boards_[0].delay_ms = 150;  // over the hang timeout
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const Answer answer = Ask(*executable_, 1);
        wrong += answer.status.ok() ? answer.outputs != expected.outputs : !absl::IsUnavailable(answer.status);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
  }
  boards_[0].delay_ms = 0;
  ASSERT_TRUE(Eventually([&] { return Board().ready; }));
  ExpectRight(2);
}

TEST_F(FpgaBackendTest, WaitingForATurnEndsAtTheDeadline) {
  options_.devices[0].accelerator.hang_timeout = absl::Seconds(20);
  ASSERT_TRUE(Open().ok());
  Load(SmallNetwork());
  boards_[0].hangs = true;
  std::thread first([&] { EXPECT_TRUE(absl::IsUnavailable(Ask(*executable_, 1).status)); });
  ASSERT_TRUE(Eventually([&] { return boards_[0].programs > 2; }));  // two of the self-test
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Ask(*executable_, 1, begin + absl::Milliseconds(100)).status));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  boards_[0].hangs = false;
  boards_[0].dead = true;
  first.join();
}

TEST_F(FpgaBackendTest, TheHostPacksAndUnpacksBesideTheProgram) {
  ASSERT_TRUE(Open().ok());
  Load(SmallNetwork());
  const int before = boards_[0].transfers_beside;
  ExpectRight(4);
  EXPECT_EQ(boards_[0].transfers_beside - before, 6);  // up: 3 of 4 inputs; down: 3 of 4 outputs
}

TEST_F(FpgaBackendTest, CancelledRunsStop) {
  ASSERT_TRUE(Open().ok());
  Load(SmallNetwork());
  const auto inputs = RandomInputs(*executable_, 4);
  std::vector<std::byte> output(static_cast<size_t>(4 * executable_->outputs()[0].type.ByteSize()));
  const std::atomic<bool> cancelled{true};
  RunContext context;
  context.cancelled = &cancelled;
  const ConstTensorView in{ElementType::kCode, 4, inputs[0]};
  const TensorView out{ElementType::kCode, 4, output};
  EXPECT_TRUE(absl::IsCancelled(executable_->Run({&in, 1}, {&out, 1}, context)));
  ExpectRight();
}

}  // namespace
}  // namespace msq::fpga

// A program on the fake device, where the host's memory runs out at the worst moment.
#include "backends/fpga/device_program.h"

#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "backends/fpga/lowering/lowering.h"
#include "backends/fpga/testing/fake_device.h"
#include "backends/testing/graph_builder.h"
#include "base/status.h"

namespace {

// No memory for a single pointer, which is what a list of lanes without room would ask for. Unpacking asks for more.
thread_local bool memory_is_short = false;

}  // namespace

void* operator new(std::size_t bytes) {
  void* memory = memory_is_short && bytes == sizeof(void*) ? nullptr : std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
  std::free(memory);
}

namespace msq::fpga {
namespace {

TEST(DeviceProgramTest, ALaneIsGivenBackWithoutMemory) {
  const hw::Configuration& configuration = *hw::FindConfiguration("tiny");
  msq::testing::GraphBuilder builder("small");
  const ir::TensorId in = builder.Input({16, 8, 8});
  const ir::TensorId last = builder.Conv({in}, 32, msq::testing::Layer());
  const ir::Graph graph = std::move(builder).Finish({last});
  const auto lowered = Lower(graph, configuration);
  ASSERT_TRUE(lowered.ok()) << lowered.status();
  auto accelerator = Accelerator::Open(testing::OpenFakeDevice(configuration, "fake"), configuration, {});
  ASSERT_TRUE(accelerator.ok()) << accelerator.status();
  DeviceProgram program(*std::move(accelerator), *lowered);
  const std::vector<std::byte> input(static_cast<size_t>(graph.tensors[0].type.ByteSize()));
  std::vector<std::byte> output(static_cast<size_t>(graph.tensors.back().type.ByteSize()));
  for (int round = 0; round < 2; ++round) {
    const DeviceProgram::Job job{.samples = 1,
                                 .inputs = [&](int64_t) { return SampleInputs{input}; },
                                 .outputs =
                                     [&](int64_t) {
                                       SampleOutputs outputs{output};
                                       memory_is_short = true;  // from the last thing that a batch asks for
                                       return outputs;
                                     }};
    const auto counters = program.Run(job, [] { return absl::OkStatus(); });
    memory_is_short = false;
    EXPECT_TRUE(counters.ok()) << counters.status();
    program.DropFreeLanes();  // and again, after its room might have gone
  }
}

}  // namespace
}  // namespace msq::fpga

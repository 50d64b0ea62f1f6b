// How fast the transaction model computes, beside the CPU backend: time per image on one core of networks with
// well-known shapes, through the FPGA backend on an emulated device. Rows are named network/cpu,
// network/z020 and, where the device takes its time as a board does, network/paced.
#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_backend.h"
#include "backends/fpga/device_spec.h"
#include "backends/fpga/fpga_backend.h"
#include "backends/testing/synthetic_networks.h"
#include "base/check.h"

namespace msq::fpga {
namespace {

void RunNetwork(benchmark::State& state, ir::Graph (*network)(), const Backend& backend) {
  const auto executable = backend.Prepare(network(), {});
  MSQ_CHECK(executable.ok());
  std::vector<std::byte> input(static_cast<size_t>((*executable)->inputs()[0].type.ByteSize()));
  std::vector<std::byte> output(static_cast<size_t>((*executable)->outputs()[0].type.ByteSize()));
  std::minstd_rand random(1);
  for (std::byte& b : input) b = static_cast<std::byte>(random() >> 8);
  const ConstTensorView in{ElementType::kCode, 1, input};
  const TensorView out{ElementType::kAccumulator, 1, output};
  for (auto _ : state) {
    RunContext context;
    MSQ_CHECK((*executable)->Run({&in, 1}, {&out, 1}, context).ok());
  }
}

ir::Graph ResNet20() {
  return msq::testing::ResNetCifar(3);
}

std::unique_ptr<Backend> Emulated(const Backend* cpu, bool paced) {
  const std::string options = paced ? ",paced=true" : "";
  auto spec = ParseDeviceSpec("emulated,memory-mb=128,hang-ms=60000" + options, 0);
  MSQ_CHECK(spec.ok());
  auto backend = CreateFpgaBackend({.configuration = spec->configuration, .devices = {std::move(spec->device)}}, cpu);
  MSQ_CHECK(backend.ok());
  return *std::move(backend);
}

void RegisterAll(const Backend* cpu, const Backend* emulated, const Backend* paced) {
  const std::pair<std::string, ir::Graph (*)()> networks[] = {
      {"resnet20", ResNet20}, {"resnet18", msq::testing::ResNet18}, {"mobilenetv2", msq::testing::MobileNetV2}};
  for (const auto& [name, network] : networks) {
    for (const auto& [where, backend] :
         {std::pair{"/cpu", cpu}, std::pair{"/z020", emulated}, std::pair{"/paced", paced}}) {
      benchmark::RegisterBenchmark(
          (name + where).c_str(),
          [network = network, backend = backend](benchmark::State& state) { RunNetwork(state, network, *backend); })
          ->Unit(benchmark::kMillisecond)
          ->MeasureProcessCPUTime()  // of all threads: the emulated device has one of its own
          ->UseRealTime();
    }
  }
}

}  // namespace
}  // namespace msq::fpga

int main(int argc, char** argv) {
  const auto cpu = msq::cpu::CreateCpuBackend();
  MSQ_CHECK(cpu.ok());
  const auto emulated = msq::fpga::Emulated(cpu->get(), false), paced = msq::fpga::Emulated(cpu->get(), true);
  msq::fpga::RegisterAll(cpu->get(), emulated.get(), paced.get());
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

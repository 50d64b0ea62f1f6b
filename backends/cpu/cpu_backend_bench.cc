// Time per run of networks with well-known shapes, for every kernel that the machine has. Rows are named
// network/kernel/threads:t/batch:b; items are images.
#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/kernels/kernel_table.h"
#include "backends/testing/synthetic_networks.h"
#include "base/check.h"

namespace msq::cpu {
namespace {

void RunNetwork(benchmark::State& state, ir::Graph (*network)(), const char* kernel) {
  const auto backend = CreateCpuBackend(kernel);
  MSQ_CHECK(backend.ok());
  const auto executable = (*backend)->Prepare(network(), {.threads = static_cast<int>(state.range(0))});
  MSQ_CHECK(executable.ok());
  const int64_t batch = state.range(1);
  std::vector<std::byte> input(static_cast<size_t>(batch * (*executable)->inputs()[0].type.ByteSize()));
  std::vector<std::byte> output(static_cast<size_t>(batch * (*executable)->outputs()[0].type.ByteSize()));
  std::minstd_rand random(1);
  for (std::byte& b : input) b = static_cast<std::byte>(random() >> 8);
  const ConstTensorView in{ElementType::kCode, batch, input};
  const TensorView out{ElementType::kAccumulator, batch, output};
  for (auto _ : state) {
    RunContext context;
    MSQ_CHECK((*executable)->Run({&in, 1}, {&out, 1}, context).ok());
  }
  state.SetItemsProcessed(state.iterations() * batch);
}

ir::Graph ResNet20() {
  return testing::ResNetCifar(3);
}

void RegisterAll() {
  const std::pair<std::string, ir::Graph (*)()> networks[] = {{"resnet20", ResNet20}, {"resnet18", testing::ResNet18}};
  for (const auto& [name, network] : networks) {
    for (const KernelTable* kernels : Kernels()) {
      if (!kernels->supported()) continue;
      benchmark::RegisterBenchmark(
          (name + "/" + kernels->name).c_str(),
          [network = network, kernels](benchmark::State& state) { RunNetwork(state, network, kernels->name); })
          ->ArgNames({"threads", "batch"})
          ->ArgsProduct({{1, 2}, {1, 8}})
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    }
  }
}

}  // namespace
}  // namespace msq::cpu

int main(int argc, char** argv) {
  msq::cpu::RegisterAll();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

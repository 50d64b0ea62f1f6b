#include "backends/fpga/fpga_backend.h"

#include <utility>
#include <vector>

#include "backends/fpga/device_pool.h"
#include "backends/fpga/fpga_executable.h"
#include "backends/fpga/lowering/image_layout.h"
#include "backends/fpga/lowering/partition.h"
#include "backends/fpga/self_test.h"
#include "backends/fpga/verifier.h"
#include "base/log.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

// In a step every lane takes a word of channels for each of the P pixels.
EmulatedPart PartOf(const hw::Configuration& c) {
  return {std::string(c.part), kWordChannels * c.p * c.f, kWordChannels * c.p * c.s};
}

// Whoever asked for an accelerator should know what of the network it does not get.
void TellWhatIsLeft(const std::vector<Stage>& stages) {
  size_t nodes = 0, left = 0;
  for (const Stage& stage : stages) {
    nodes += stage.graph.nodes.size();
    if (!stage.program) left += stage.graph.nodes.size();
  }
  if (left > 0) LogWarning("'", stages[0].graph.name, "': ", left, " of ", nodes, " layers run on the CPU");
}

class FpgaBackend final : public Backend {
 public:
  FpgaBackend(FpgaBackendOptions options, const Backend* cpu, std::unique_ptr<DevicePool> pool)
      : options_(std::move(options)), cpu_(*cpu), pool_(std::move(pool)) {
    if (options_.verify_fraction <= 0) return;
    verifier_ = std::make_unique<Verifier>(options_.verify_fraction, [this](const Verifier::Answer& answer) {
      for (const DeviceUse& use : answer.devices) {
        pool_->Quarantine(use.device, use.accelerator,
                          absl::DataLossError(absl::StrCat("it answered wrongly: '", answer.network,
                                                           "', input with hash ", InputHash(answer))));
      }
    });
  }

  std::string_view name() const override { return options_.name; }
  Capabilities capabilities() const override {
    Capabilities capabilities;
    capabilities.reports_cycles = true;
    capabilities.device = absl::StrCat("fpga ", std::string(options_.configuration.name));
    return capabilities;
  }
  BackendReport Report() const override {
    BackendReport report{.devices = pool_->Reports()};
    if (verifier_ != nullptr) verifier_->Fill(&report);
    return report;
  }
  std::vector<DevicePower> ReadPower() const override { return pool_->ReadPower(); }

  absl::StatusOr<std::unique_ptr<Executable>> Prepare(const ir::Graph& graph,
                                                      const PrepareOptions& options) const override {
    FpgaExecutable::Parts parts;
    MSQ_ASSIGN_OR_RETURN(parts.stages, Partition(graph, options_.configuration));
    TellWhatIsLeft(parts.stages);
    for (const Stage& stage : parts.stages) {
      std::unique_ptr<Executable>& on_cpu = parts.on_cpu.emplace_back();
      if (stage.program) continue;
      MSQ_ASSIGN_OR_RETURN(on_cpu, cpu_.Prepare(stage.graph, options));
    }
    if (verifier_ != nullptr) {
      MSQ_ASSIGN_OR_RETURN(parts.check, cpu_.Prepare(graph, {}));
    }
    parts.label = options.label.empty() ? graph.name : options.label;
    return std::make_unique<FpgaExecutable>(graph, std::move(parts), pool_.get(), verifier_.get());
  }

 private:
  const FpgaBackendOptions options_;
  const Backend& cpu_;
  const std::unique_ptr<DevicePool> pool_;
  std::unique_ptr<Verifier> verifier_;  // goes before the pool
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> CreateFpgaBackend(const FpgaBackendOptions& options, const Backend* cpu) {
  MSQ_ASSIGN_OR_RETURN(std::shared_ptr<const SelfTest> test, SelfTest::Create(options.configuration, *cpu));
  std::vector<DevicePool::Member> members;
  for (const FpgaDevice& device : options.devices) {
    members.push_back(
        {device.name, [=](const std::atomic<bool>& stopping) -> absl::StatusOr<std::shared_ptr<Accelerator>> {
           Accelerator::Options how = device.accelerator;
           how.stopping = &stopping;
           MSQ_ASSIGN_OR_RETURN(std::unique_ptr<Device> opened, device.open());
           MSQ_ASSIGN_OR_RETURN(std::shared_ptr<Accelerator> accelerator,
                                Accelerator::Open(std::move(opened), options.configuration, how));
           MSQ_RETURN_IF_ERROR(test->Run(accelerator));
           return accelerator;
         }});
    if (device.emulated) members.back().emulates = PartOf(options.configuration);
  }
  MSQ_ASSIGN_OR_RETURN(std::unique_ptr<DevicePool> pool,
                       DevicePool::Create(std::move(members), options.probe_interval));
  return std::make_unique<FpgaBackend>(options, cpu, std::move(pool));
}

}  // namespace msq::fpga

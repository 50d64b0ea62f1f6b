// A network on a pool of accelerators, with the CPU for what they lack.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/backend.h"
#include "backends/fpga/device_pool.h"
#include "backends/fpga/device_program.h"
#include "backends/fpga/lowering/partition.h"
#include "backends/fpga/verifier.h"

namespace msq::fpga {

class FpgaExecutable final : public Executable {
 public:
  // `on_cpu` has an executable for each stage without a program; null for the others. `check` computes the whole network
  // again, elsewhere; null: no answer is verified.
  struct Parts {
    std::vector<Stage> stages;
    std::vector<std::unique_ptr<Executable>> on_cpu;
    std::shared_ptr<const Executable> check;
    std::string label;  // for logs
  };
  // Pool and verifier outlive the executable.
  FpgaExecutable(const ir::Graph& graph, Parts parts, DevicePool* pool, Verifier* verifier);
  ~FpgaExecutable() override;
  int64_t weight_bytes() const override;

  bool ready() const override { return pool_.ready() || !needs_device_; }
  int64_t preferred_batch() const override;

 private:
  // Where the bytes of a tensor of the network are during a run.
  using Views = std::map<ir::TensorId, std::span<std::byte>>;

  absl::Status DoRun(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                     RunContext& context) const override;
  absl::Status RunStages(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                         RunContext& context) const;
  absl::Status RunStage(size_t stage, const Views& views, int64_t batch, RunContext& context, DeviceUse* used) const;
  absl::Status RunOnCpu(size_t stage, const Views& views, int64_t batch, RunContext& context) const;
  absl::Status RunOnDevice(size_t stage, const Views& views, int64_t batch, RunContext& context, DeviceUse* used) const;
  // As many samples at a time as the stage's `fold`.
  absl::Status RunFolded(size_t stage, const Views& views, int64_t batch, RunContext& context, DeviceUse* used) const;
  absl::Status RunProgram(const Program& program, const DeviceProgram::Job& job, RunContext& context,
                          DeviceUse* used) const;
  void Verify(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
              const std::vector<DeviceUse>& devices) const;
  std::vector<std::byte> Intermediates(int64_t batch, Views* views) const;

  const Parts parts_;
  const bool needs_device_;
  const std::vector<ir::TensorId> graph_inputs_, graph_outputs_;
  // Bytes of one sample of each tensor that goes from stage to stage.
  std::map<ir::TensorId, int64_t> between_;
  DevicePool& pool_;
  Verifier* const verifier_;
};

}  // namespace msq::fpga

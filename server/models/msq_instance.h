// One instance of an MSQ model on one backend: gathers a batch's inputs as codes, runs it, scatters the answers.
#pragma once

#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "server/models/msq_model.h"
#include "server/scheduling/instance.h"

namespace msq::server {

// Owns buffers that grow to the largest batch so far, so that no run allocates for its tensors.
class MsqInstance final : public Instance {
 public:
  // Both outlive the instance.
  MsqInstance(const MsqModel& model, const Executable& executable);
  absl::Status Execute(std::span<const RequestPtr> batch) override;
  RunStatistics LastRun() const override { return last_run_; }

 private:
  ConstTensorView Gather(size_t input, std::span<const RequestPtr> batch, int64_t samples);
  absl::Status Scatter(InferenceRequest& request, int64_t first);
  std::span<const std::byte> Part(size_t output, int64_t first, int64_t samples) const;
  absl::Status AddValues(const InferenceRequest& request, const RequestedOutput& wanted, const ir::TensorType& type,
                         std::span<const std::byte> integers);

  const MsqModel& model_;
  const Executable& executable_;
  std::vector<AlignedBuffer> codes_;     // one a graph input
  std::vector<AlignedBuffer> integers_;  // one a graph output
  AlignedBuffer values_;                 // FP32 on the way to class strings
  std::vector<ConstTensorView> inputs_;
  std::vector<TensorView> outputs_;
  Dims shape_;
  RunStatistics last_run_;
};

}  // namespace msq::server

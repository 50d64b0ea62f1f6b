#include "backends/cpu/pointwise_step.h"

#include <algorithm>

#include "backends/cpu/packed_requantizer.h"
#include "model/numerics/requantize.h"

namespace msq::cpu {
namespace {

constexpr int64_t kElementsPerJob = 16 << 10;

// The three ways in which channels can lie: all elements alike, channels along the rows of a matrix (innermost), or one
// matrix row per channel (outermost).
class PointwiseStep final : public Step {
 public:
  PointwiseStep(const KernelTable& kernels, const PointwiseOperands& operands, const ir::Requantizer& requantizer)
      : kernels_(kernels), operands_(operands), requantizer_(requantizer) {
    const int64_t elements = ir::ElementCount(operands.shape);
    const auto entries = static_cast<int64_t>(requantizer.multipliers.size());
    const bool innermost = entries > 1 && (operands.shape.size() == 3 || operands.shape.size() == 1);
    if (innermost) per_column_ = PackedRequantizer(requantizer, 1);
    rows_ = innermost ? elements / entries : entries;
    columns_ = elements / rows_;
    if (!innermost) return;
    row_step_ = std::max<int64_t>(1, kElementsPerJob / columns_);
  }

  void Run(const Frame& frame) const override {
    if (row_step_ > 0) return RunPerColumn(frame);
    const int64_t pieces = (columns_ + kElementsPerJob - 1) / kElementsPerJob;
    frame.ForEach(frame.batch * rows_ * pieces, [&](int64_t job, uint8_t*) {
      const int64_t row = job / pieces % rows_, column = job % pieces * kElementsPerJob;
      const UniformRequantizer constants(requantizer_, row);
      Requantize(frame, job / pieces / rows_, row * columns_ + column, 1, std::min(kElementsPerJob, columns_ - column),
                 constants.constants(), 0);
    });
  }

 private:
  void RunPerColumn(const Frame& frame) const {
    const int64_t pieces = (rows_ + row_step_ - 1) / row_step_;
    frame.ForEach(frame.batch * pieces, [&](int64_t job, uint8_t*) {
      const int64_t row = job % pieces * row_step_;
      Requantize(frame, job / pieces, row * columns_, std::min(row_step_, rows_ - row), columns_, per_column_.At(0, 0),
                 kColumnBlock);
    });
  }

  void Requantize(const Frame& frame, int64_t sample, int64_t offset, int64_t rows, int64_t columns,
                  const RequantizeConstants& constants, int64_t constant_step) const {
    kernels_.requantize_codes({.acc = nullptr,
                               .codes = frame.Sample(operands_.input, sample) + offset,
                               .in_stride = columns,
                               .row_count = rows,
                               .columns = columns,
                               .constants = constants,
                               .constant_step = constant_step,
                               .skip = frame.Sample(operands_.skip, sample) + offset,
                               .skip_stride = columns,
                               .out = frame.Sample(operands_.output, sample) + offset,
                               .out_stride = columns,
                               .max_code = numerics::MaxCode(operands_.output_bits)});
  }

  const KernelTable& kernels_;
  const PointwiseOperands operands_;
  const ir::Requantizer requantizer_;
  PackedRequantizer per_column_;
  int64_t rows_ = 1;
  int64_t columns_ = 1;
  int64_t row_step_ = 0;  // rows a job takes where channels are innermost
};

}  // namespace

std::unique_ptr<Step> MakePointwise(const KernelTable& kernels, const PointwiseOperands& operands,
                                    const ir::Requantizer& requantizer) {
  return std::make_unique<PointwiseStep>(kernels, operands, requantizer);
}

}  // namespace msq::cpu

#include "backends/fpga/lowering/row_operator.h"

#include <algorithm>
#include <map>
#include <utility>

#include "backends/fpga/lowering/vec_lowering.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

class ConvRows : public RowOperator {
 public:
  ConvRows(const ConvJob& job, const ImageLayout& in, const ImageLayout& out, ProgramBuilder* builder)
      : width_(job.out_width), conv_(job, in, out, builder) {}

  absl::Status Emit(std::span<const Placed> in, const Placed& out, int64_t y0, int64_t y1) override {
    const Placed* skip = in.size() > 1 ? &in[1] : nullptr;
    if (out.layout.width == width_) return conv_.EmitRows(in[0], out, skip, y0, y1);
    // Some columns of a wider image: rows are not consecutive.
    for (int64_t y = y0; y < y1; ++y) MSQ_RETURN_IF_ERROR(conv_.EmitBlock(in[0], out, skip, {y, 1, 0, width_}));
    return absl::OkStatus();
  }
  void AddTo(LayerRecord* record) const override { conv_.AddTo(record); }

 private:
  const int64_t width_;
  ConvLowering conv_;
};

class AverageRows : public RowOperator {
 public:
  AverageRows(const ir::AveragePool& op, const ConvJob& job, int64_t in_height, const ImageLayout& out,
              ProgramBuilder* builder)
      : op_(op), job_(job), in_height_(in_height), out_(out), builder_(builder) {}

  absl::Status Emit(std::span<const Placed> in, const Placed& out, int64_t y0, int64_t y1) override {
    const int64_t width = out.layout.width, in_width = in[0].layout.width;
    for (int64_t y = y0; y < y1;) {
      // Rows of one count throughout go together, other rows in pieces.
      const auto uniform = [&](int64_t row) {
        for (int64_t x = 0; x < width; ++x) {
          if (Taps(row, x, in_width) != Taps(y, 0, in_width)) return false;
        }
        return true;
      };
      int64_t rows = 0;
      while (y + rows < y1 && uniform(y + rows)) ++rows;
      if (rows > 0) MSQ_RETURN_IF_ERROR(EmitBlock(in[0], out, {y, rows, 0, width}));
      for (int64_t x = 0; rows == 0 && x < width;) {
        int64_t columns = 1;
        while (x + columns < width && Taps(y, x + columns, in_width) == Taps(y, x, in_width)) ++columns;
        MSQ_RETURN_IF_ERROR(EmitBlock(in[0], out, {y, 1, x, columns}));
        x += columns;
      }
      y += std::max<int64_t>(rows, 1);
    }
    return absl::OkStatus();
  }
  void AddTo(LayerRecord* record) const override {
    for (const auto& [count, conv] : by_taps_) conv.AddTo(record);
  }

 private:
  // Taps inside the image; those outside count as code 0.
  int64_t Taps(int64_t y, int64_t x, int64_t in_width) const {
    const auto inside = [this](size_t axis, int64_t position, int64_t length) {
      const int64_t first = position * op_.window.strides[axis] - op_.window.pads[axis];
      return std::min(first + op_.window.kernel[axis], length) - std::max<int64_t>(first, 0);
    };
    return inside(0, y, in_height_) * inside(1, x, in_width);
  }

  absl::Status EmitBlock(const Placed& in, const Placed& out, const OutputPart& part) {
    const int64_t count = Taps(part.y, part.x, in.layout.width);
    auto found = by_taps_.find(count);
    if (found == by_taps_.end()) {
      ConvJob job = job_;
      job.rows = ConstantsOfEntry(op_.requantizer, static_cast<size_t>(count - 1), job.weights.rows);
      job.leaky = op_.requantizer.leaky.has_value();
      found = by_taps_.try_emplace(count, job, in.layout, out_, builder_).first;
    }
    return found->second.EmitBlock(in, out, nullptr, part);
  }

  const ir::AveragePool& op_;
  const ConvJob job_;
  const int64_t in_height_;
  const ImageLayout out_;
  ProgramBuilder* const builder_;
  std::map<int64_t, ConvLowering> by_taps_;
};

// What VEC does.
class VecRows : public RowOperator {
 public:
  explicit VecRows(ProgramBuilder* builder) : builder_(builder) {}
  void AddTo(LayerRecord* record) const override { record->vec_words += record_.vec_words; }

 protected:
  absl::Status Copy(const ImageCopy& copy, const Placed& in, const Placed& out) {
    return copy.height > 0 ? EmitCopy(copy, in, out, builder_, &record_) : absl::OkStatus();
  }

  ProgramBuilder* const builder_;
  LayerRecord record_;
};

class MaxPoolRows : public VecRows {
 public:
  MaxPoolRows(const ir::Window& window, int64_t in_height, ProgramBuilder* builder)
      : VecRows(builder), window_(window), in_height_(in_height) {}

  absl::Status Emit(std::span<const Placed> in, const Placed& out, int64_t y0, int64_t y1) override {
    return EmitMaxPool(window_, in_height_, in[0], out, y0, y1, builder_, &record_);
  }

 private:
  const ir::Window window_;
  const int64_t in_height_;
};

class ResizeRows : public VecRows {
 public:
  ResizeRows(const std::array<int64_t, 2>& factors, ProgramBuilder* builder) : VecRows(builder), factors_(factors) {}

  absl::Status Emit(std::span<const Placed> in, const Placed& out, int64_t y0, int64_t y1) override {
    return EmitResize(factors_, in[0], out, y0, y1, builder_, &record_);
  }

 private:
  const std::array<int64_t, 2> factors_;
};

class ConcatChannelRows : public VecRows {
 public:
  ConcatChannelRows(std::vector<int64_t> first_groups, ProgramBuilder* builder)
      : VecRows(builder), first_groups_(std::move(first_groups)) {}

  absl::Status Emit(std::span<const Placed> in, const Placed& out, int64_t y0, int64_t y1) override {
    for (size_t i = 0; i < in.size(); ++i) {
      const int64_t base = out.base + first_groups_[i] * out.layout.group_words();
      if (in[i].region != nullptr && in[i].region == out.region && in[i].base == base) continue;  // computed there
      const ImageCopy copy = {
          .height = y1 - y0, .width = out.layout.width, .from_y = y0, .to_y = y0, .to_group = first_groups_[i]};
      MSQ_RETURN_IF_ERROR(Copy(copy, in[i], out));
    }
    return absl::OkStatus();
  }

 private:
  const std::vector<int64_t> first_groups_;
};

class ConcatPixelRows : public VecRows {
 public:
  ConcatPixelRows(bool below, std::vector<PixelOperand> operands, ProgramBuilder* builder)
      : VecRows(builder), below_(below), operands_(std::move(operands)) {}

  absl::Status Emit(std::span<const Placed> in, const Placed& out, int64_t y0, int64_t y1) override {
    int64_t top = 0, left = 0;  // of the operand in the output
    for (size_t i = 0; i < in.size(); ++i) {
      const PixelOperand& operand = operands_[i];
      const int64_t begin = std::max<int64_t>(y0 - top, 0), end = std::min(y1 - top, operand.height);
      if (begin < end) MSQ_RETURN_IF_ERROR(EmitOperand(operand, in[i], out, {begin, end - begin, left, 0}, top));
      (below_ ? top : left) += below_ ? operand.height : operand.width;
    }
    return absl::OkStatus();
  }
  void AddTo(LayerRecord* record) const override {
    VecRows::AddTo(record);
    for (const PixelOperand& operand : operands_) {
      if (operand.order != nullptr) operand.order->AddTo(record);
    }
  }

 private:
  // Rows part.y.. of the operand, to column part.x of rows `top` further down.
  absl::Status EmitOperand(const PixelOperand& operand, const Placed& in, const Placed& out, const OutputPart& part,
                           int64_t top) {
    if (operand.order == nullptr) {
      const ImageCopy copy = {
          .height = part.rows, .width = operand.width, .from_y = part.y, .to_y = part.y + top, .to_x = part.x};
      return Copy(copy, in, out);
    }
    Placed place = out;
    place.first_row -= top;
    place.base += part.x;
    return operand.order->Emit(std::span(&in, 1), place, part.y, part.y + part.rows);
  }

  const bool below_;
  const std::vector<PixelOperand> operands_;
};

}  // namespace

std::unique_ptr<RowOperator> MakeConvRows(const ConvJob& job, const ImageLayout& in, const ImageLayout& out,
                                          ProgramBuilder* builder) {
  return std::make_unique<ConvRows>(job, in, out, builder);
}

std::unique_ptr<RowOperator> MakeAverageRows(const ir::AveragePool& op, const ConvJob& job, int64_t in_height,
                                             const ImageLayout& out, ProgramBuilder* builder) {
  return std::make_unique<AverageRows>(op, job, in_height, out, builder);
}

std::unique_ptr<RowOperator> MakeMaxPoolRows(const ir::Window& window, int64_t in_height, ProgramBuilder* builder) {
  return std::make_unique<MaxPoolRows>(window, in_height, builder);
}

std::unique_ptr<RowOperator> MakeResizeRows(const std::array<int64_t, 2>& factors, ProgramBuilder* builder) {
  return std::make_unique<ResizeRows>(factors, builder);
}

std::unique_ptr<RowOperator> MakeConcatChannelRows(std::vector<int64_t> first_groups, ProgramBuilder* builder) {
  return std::make_unique<ConcatChannelRows>(std::move(first_groups), builder);
}

std::unique_ptr<RowOperator> MakeConcatPixelRows(bool below, std::vector<PixelOperand> operands,
                                                 ProgramBuilder* builder) {
  return std::make_unique<ConcatPixelRows>(below, std::move(operands), builder);
}

}  // namespace msq::fpga

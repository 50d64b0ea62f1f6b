#include "backends/cpu/copy_steps.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "backends/cpu/box_copy.h"
#include "backends/cpu/geometry.h"
#include "backends/cpu/kernels/kernel_table.h"

namespace msq::cpu {
namespace {

struct Move {
  Buffer from;
  BoxCopy box;
};

// Fills the output where asked, then makes every move into it.
class CopyStep final : public Step {
 public:
  CopyStep(std::vector<Move> moves, const CopyOperand& output, std::optional<uint8_t> fill)
      : moves_(std::move(moves)), to_(output.buffer), elements_(ir::ElementCount(output.shape)), fill_(fill) {}

  void Run(const Frame& frame) const override {
    frame.ForEach(frame.batch, [&](int64_t sample, uint8_t*) {
      uint8_t* out = frame.Sample(to_, sample);
      if (fill_) std::memset(out, *fill_, static_cast<size_t>(elements_));
      for (const Move& move : moves_) move.box.Run(frame.Sample(move.from, sample), out);
    });
  }

 private:
  const std::vector<Move> moves_;
  const Buffer to_;
  const int64_t elements_;
  const std::optional<uint8_t> fill_;
};

// A walk through an image in row-major order, row by row.
struct Cursor {
  Image image;
  int64_t channel = 0, y = 0, x = 0;

  int64_t offset() const { return (y * image.width + x) * image.channels + channel; }
  int64_t left_in_row() const { return image.width - x; }
  void Advance(int64_t count) {
    x += count;
    if (x < image.width) return;
    x = 0;
    if (++y < image.height) return;
    y = 0;
    ++channel;
  }
};

// Between two images whose channels lie apart differently: both are walked in the order that a Reshape keeps.
class ImageReshapeStep final : public Step {
 public:
  ImageReshapeStep(const CopyOperand& input, const CopyOperand& output)
      : from_(input.buffer), to_(output.buffer), in_(ImageOf(input.shape)), out_(ImageOf(output.shape)) {}

  void Run(const Frame& frame) const override {
    frame.ForEach(frame.batch, [&](int64_t sample, uint8_t*) {
      const uint8_t* in = frame.Sample(from_, sample);
      uint8_t* out = frame.Sample(to_, sample);
      Cursor read{in_}, write{out_};
      while (read.channel < in_.channels) {
        const int64_t run = std::min(read.left_in_row(), write.left_in_row());
        for (int64_t i = 0; i < run; ++i) {
          out[write.offset() + i * out_.channels] = in[read.offset() + i * in_.channels];
        }
        read.Advance(run);
        write.Advance(run);
      }
    });
  }

 private:
  const Buffer from_, to_;
  const Image in_, out_;
};

// Whether a buffer holds the shape in row-major order.
bool LiesRowMajor(const ir::Shape& shape) {
  return shape.size() != 3 || shape[0] == 1 || shape[1] * shape[2] == 1;
}

// A box as large as `extents`; in- and output strides of the dimensions as they lie. A dimension with stride 1 on both
// sides goes innermost.
BoxCopy MakeBox(const ir::Shape& extents, const Strides& in, const Strides& out) {
  BoxCopy box;
  for (size_t i = 0; i < extents.size(); ++i) {
    box.extents[i] = extents[i];
    box.in_strides[i] = in.values[i];
    box.out_strides[i] = out.values[i];
  }
  const size_t inner = extents.size() == 3 ? 0 : extents.size() - 1, last = BoxCopy::kDimensions - 1;
  std::swap(box.extents[inner], box.extents[last]);
  std::swap(box.in_strides[inner], box.in_strides[last]);
  std::swap(box.out_strides[inner], box.out_strides[last]);
  return box;
}

}  // namespace

std::unique_ptr<Step> MakeConcat(const std::vector<CopyOperand>& inputs, const CopyOperand& output, int64_t axis) {
  const Strides out(output.shape);
  std::vector<Move> moves;
  int64_t position = 0;
  for (const CopyOperand& input : inputs) {
    Move move{input.buffer, MakeBox(input.shape, Strides(input.shape), out)};
    move.box.out_offset = position * out.values[static_cast<size_t>(axis)];
    position += input.shape[static_cast<size_t>(axis)];
    moves.push_back(move);
  }
  return std::make_unique<CopyStep>(std::move(moves), output, std::nullopt);
}

std::unique_ptr<Step> MakeResizeNearest(const ir::ResizeNearest& op, const CopyOperand& input,
                                        const CopyOperand& output) {
  const Strides in(input.shape), out(output.shape);
  // height, copies of a row, width, copies of a pixel, channels
  const BoxCopy box = {
      .extents = {input.shape[1], op.factors[0], input.shape[2], op.factors[1], input.shape[0]},
      .in_strides = {in.values[1], 0, in.values[2], 0, 1},
      .out_strides = {out.values[1] * op.factors[0], out.values[1], out.values[2] * op.factors[1], out.values[2], 1},
  };
  return std::make_unique<CopyStep>(std::vector<Move>{{input.buffer, box}}, output, std::nullopt);
}

std::unique_ptr<Step> MakeReshape(const CopyOperand& input, const CopyOperand& output) {
  BoxCopy box;
  if (input.shape == output.shape || (LiesRowMajor(input.shape) && LiesRowMajor(output.shape))) {
    box = FromRowMajor({ir::ElementCount(input.shape)}, 1);
  } else if (LiesRowMajor(input.shape)) {
    box = FromRowMajor(output.shape, 1);
  } else if (LiesRowMajor(output.shape)) {
    box = ToRowMajor(input.shape, 1);
  } else {
    return std::make_unique<ImageReshapeStep>(input, output);
  }
  return std::make_unique<CopyStep>(std::vector<Move>{{input.buffer, box}}, output, std::nullopt);
}

std::unique_ptr<Step> MakePad(const ir::Pad& op, const CopyOperand& input, const CopyOperand& output,
                              uint8_t zero_point) {
  const Strides out(output.shape);
  Move move{input.buffer, MakeBox(input.shape, Strides(input.shape), out)};
  for (size_t i = 0; i < op.before.size(); ++i) move.box.out_offset += op.before[i] * out.values[i];
  return std::make_unique<CopyStep>(std::vector<Move>{move}, output, zero_point);
}

std::unique_ptr<Step> MakeSlice(const ir::Slice& op, const CopyOperand& input, const CopyOperand& output) {
  Strides in(input.shape);
  int64_t offset = 0;
  for (size_t i = 0; i < op.starts.size(); ++i) {
    offset += op.starts[i] * in.values[i];
    in.values[i] *= op.steps[i];
  }
  Move move{input.buffer, MakeBox(output.shape, in, Strides(output.shape))};
  move.box.in_offset = offset;
  return std::make_unique<CopyStep>(std::vector<Move>{move}, output, std::nullopt);
}

}  // namespace msq::cpu

#include "backends/fpga/lowering/first_layer.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "backends/fpga/lowering/vec_lowering.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

// Words of input that a strip should have: few enough to be loaded soon, enough to keep the overlap of strips small.
constexpr int64_t kStripWords = 5200;

// Of a packed input: 32 MB.
constexpr int64_t kMaxPackedWords = int64_t{1} << 22;

// Rows of one strip.
struct Strip {
  int64_t out_begin, out_end;    // of the layer's output
  int64_t conv_begin, conv_end;  // of the convolution, needed for them
  int64_t new_begin;             // from here on they are computed, the ones before are the last strip's
};

std::vector<Strip> MakeStrips(const FirstLayer& layer, int64_t count) {
  const int64_t out_rows = layer.out.layout.height, conv_rows = layer.conv_out.height;
  std::vector<Strip> strips;
  int64_t done = 0;  // rows of the convolution
  for (int64_t k = 0; k < count; ++k) {
    Strip strip{out_rows * k / count, out_rows * (k + 1) / count, 0, 0, 0};
    strip.conv_begin = strip.out_begin;
    strip.conv_end = strip.out_end;
    if (layer.pool != nullptr) {
      const ir::Window& w = *layer.pool;
      const int64_t first = strip.out_begin * w.strides[0] - w.pads[0];
      const int64_t last = (strip.out_end - 1) * w.strides[0] - w.pads[0] + (w.kernel[0] - 1) * w.dilations[0];
      strip.conv_begin = std::clamp<int64_t>(first, 0, conv_rows);
      strip.conv_end = std::clamp<int64_t>(last + 1, 0, conv_rows);
    }
    strip.new_begin = std::max(strip.conv_begin, done);
    done = std::max(done, strip.conv_end);
    strips.push_back(strip);
  }
  return strips;
}

class StripEmitter {
 public:
  StripEmitter(const FirstLayer& layer, ActivationMemory* memory, ProgramBuilder* builder, LayerRecord* record)
      : layer_(layer), memory_(memory), builder_(builder), record_(record) {}

  absl::Status Run() {
    MSQ_RETURN_IF_ERROR(ChooseStrips());
    const int64_t count = std::ssize(strips_);
    MSQ_RETURN_IF_ERROR(Load(0));
    if (count > 1) MSQ_RETURN_IF_ERROR(Load(1));
    MSQ_RETURN_IF_ERROR(Convolve(0));
    // CONV runs a strip ahead of VEC, LOAD a strip ahead of CONV. Several LOADs in a row hold up what comes behind
    // them until their buffer is free; the next CONV must not wait for that.
    for (int64_t k = 0; k < count; ++k) {
      if (k + 1 < count) MSQ_RETURN_IF_ERROR(Convolve(k + 1));
      if (k + 2 < count) MSQ_RETURN_IF_ERROR(Load(k + 2));
      if (layer_.pool != nullptr) MSQ_RETURN_IF_ERROR(Pool(k));
      if (layer_.store != nullptr) MSQ_RETURN_IF_ERROR(layer_.store(OutStrip(k)));
    }
    return absl::OkStatus();
  }

 private:
  const Strip& At(int64_t k) const { return strips_[static_cast<size_t>(k)]; }

  // Rows of the packed input that strip k reads.
  int64_t InputBegin(int64_t k) const { return At(k).new_begin; }
  int64_t InputEnd(int64_t k) const {
    const int64_t overlap = layer_.input->layout.height - layer_.conv_out.height;
    return At(k).new_begin >= At(k).conv_end ? InputBegin(k) : At(k).conv_end + overlap;
  }

  absl::Status ChooseStrips() {
    const int64_t rows = layer_.out.layout.height;
    int64_t count = std::clamp<int64_t>(CeilDiv(layer_.input->layout.words(), kStripWords), 1, rows);
    for (; count <= rows; ++count) {
      strips_ = MakeStrips(layer_, count);
      if (TakeBuffers()) return absl::OkStatus();
    }
    return absl::ResourceExhaustedError(
        absl::StrCat("no room for a strip of one row beside ", memory_->taken(), " words of ", memory_->words()));
  }

  bool TakeBuffers() {
    in_buffers_ = {};
    conv_buffers_ = {};
    out_buffers_ = {};
    int64_t in_rows = 0, conv_rows = 0, out_rows = 0;
    for (int64_t k = 0; k < std::ssize(strips_); ++k) {
      in_rows = std::max(in_rows, InputEnd(k) - InputBegin(k));
      conv_rows = std::max(conv_rows, At(k).conv_end - At(k).conv_begin);
      out_rows = std::max(out_rows, At(k).out_end - At(k).out_begin);
    }
    const size_t count = std::min<size_t>(2, strips_.size());
    for (size_t i = 0; i < count; ++i) {
      in_buffers_[i] = memory_->Take(layer_.input->layout.WithHeight(in_rows).words());
      if (in_buffers_[i] == nullptr) return false;
      if (layer_.store != nullptr) {
        out_buffers_[i] = memory_->Take(layer_.out.layout.WithHeight(out_rows).words());
        if (out_buffers_[i] == nullptr) return false;
      }
      if (layer_.pool == nullptr) continue;
      conv_buffers_[i] = memory_->Take(layer_.conv_out.WithHeight(conv_rows).words());
      if (conv_buffers_[i] == nullptr) return false;
    }
    return true;
  }

  Placed InputStrip(int64_t k) const {
    return {layer_.input->layout.WithHeight(InputEnd(k) - InputBegin(k)),
            in_buffers_[static_cast<size_t>(k % 2)]->begin(), InputBegin(k), nullptr};
  }
  Placed ConvStrip(int64_t k) const {
    if (layer_.pool == nullptr) return OutStrip(k);
    return {layer_.conv_out.WithHeight(At(k).conv_end - At(k).conv_begin),
            conv_buffers_[static_cast<size_t>(k % 2)]->begin(), At(k).conv_begin, nullptr};
  }

  Placed OutStrip(int64_t k) const {
    if (layer_.store == nullptr) return layer_.out;
    return {layer_.out.layout.WithHeight(At(k).out_end - At(k).out_begin),
            out_buffers_[static_cast<size_t>(k % 2)]->begin(), At(k).out_begin, nullptr};
  }

  absl::Status Load(int64_t k) {
    const Placed strip = InputStrip(k);
    if (strip.layout.height == 0) return absl::OkStatus();
    // A part of the rows for each engine.
    const int64_t rows = strip.layout.height;
    const int64_t parts = std::min<int64_t>(builder_->configuration().loads, rows);
    for (int64_t part = 0; part < parts; ++part) {
      MSQ_RETURN_IF_ERROR(LoadRows(strip, rows * part / parts, rows * (part + 1) / parts));
    }
    return absl::OkStatus();
  }

  // Rows of a strip, counted from its first.
  absl::Status LoadRows(const Placed& strip, int64_t begin, int64_t end) {
    const ImageLayout& whole = layer_.input->layout;
    const int64_t row_bytes = whole.width * kWordBytes, words = (end - begin) * whole.width;
    const int64_t first_row = strip.first_row + begin, groups = whole.groups();
    const hw::LoadFields load = {.dram = layer_.input->dram + first_row * row_bytes,
                                 .dram_row_stride = whole.height * row_bytes,
                                 .rows = whole.planes() * groups,
                                 .row_words = words,
                                 .act = builder_->Address(strip.Row(first_row)),
                                 .act_step = builder_->Address(1),
                                 .act_row_step = builder_->Address(strip.layout.pixels() - words + 1)};
    return builder_->Load(load, {{}, strip.Rows(first_row, first_row + end - begin, groups)});
  }

  absl::Status Convolve(int64_t k) {
    if (At(k).new_begin >= At(k).conv_end) return absl::OkStatus();
    return layer_.conv->EmitRows(InputStrip(k), ConvStrip(k), layer_.skip, At(k).new_begin, At(k).conv_end);
  }

  absl::Status Pool(int64_t k) {
    if (k + 1 < std::ssize(strips_)) MSQ_RETURN_IF_ERROR(CopyOverlap(k));
    return EmitMaxPool(*layer_.pool, layer_.conv_out.height, ConvStrip(k), OutStrip(k), At(k).out_begin, At(k).out_end,
                       builder_, record_);
  }

  // The rows of strip k that strip k + 1 needs too.
  absl::Status CopyOverlap(int64_t k) {
    const Placed from = ConvStrip(k), to = ConvStrip(k + 1);
    const int64_t rows = std::min(At(k).conv_end, At(k + 1).conv_end) - to.first_row;
    if (rows <= 0) return absl::OkStatus();
    const ImageCopy copy = {.height = rows, .width = from.layout.width, .from_y = to.first_row, .to_y = to.first_row};
    return EmitCopy(copy, from, to, builder_, record_);
  }

  const FirstLayer& layer_;
  ActivationMemory* const memory_;
  ProgramBuilder* const builder_;
  LayerRecord* const record_;
  std::vector<Strip> strips_;
  std::array<std::shared_ptr<Region>, 2> in_buffers_, conv_buffers_, out_buffers_;
};

}  // namespace

std::optional<TapPacking> ChoosePacking(const ir::Conv& op, const ir::TensorType& input) {
  const ir::Window& window = op.window;
  if (op.groups != 1 || window.dilations[0] != 1 || input.shape.size() != 3) return std::nullopt;
  TapPacking taps;
  std::copy_n(input.shape.begin(), 3, taps.shape.begin());
  taps.stride_y = window.strides[0];
  taps.rows = std::min(window.strides[0], window.kernel[0]);
  taps.kernel_w = window.kernel[1];
  taps.stride_x = window.strides[1];
  taps.dilation_x = window.dilations[1];
  taps.pad_top = window.pads[0];
  taps.pad_left = window.pads[1];
  taps.zero_point = input.zero_point;
  const int64_t packed =
      CeilDiv(window.kernel[0], taps.stride_y) * CeilDiv(taps.rows * taps.kernel_w * taps.shape[0], kWordChannels);
  const int64_t plain = window.kernel[0] * window.kernel[1] * CeilDiv(taps.shape[0], kWordChannels);
  if (packed >= plain) return std::nullopt;
  // A tap is there once for each window that reads it: wide windows would make much of a large input.
  const auto outputs = [&](size_t axis) {
    const int64_t padded = input.shape[axis + 1] + window.pads[axis] + window.pads[axis + 2];
    return padded / window.strides[axis] + window.kernel[axis];
  };
  const int64_t groups = CeilDiv(taps.rows * taps.kernel_w * taps.shape[0], kWordChannels);
  if (groups > kMaxPackedWords / outputs(0) / outputs(1)) return std::nullopt;
  return taps;
}

ImageLayout PackedLayout(const ir::Conv& op, const TapPacking& taps, int bits, int64_t out_height, int64_t out_width) {
  ImageLayout layout;
  layout.channels = taps.rows * taps.kernel_w * taps.shape[0];
  layout.height = out_height + CeilDiv(op.window.kernel[0], taps.stride_y) - 1;
  layout.width = out_width;
  layout.bits = bits;
  layout.slots.resize(static_cast<size_t>(layout.channels));
  std::iota(layout.slots.begin(), layout.slots.end(), int64_t{0});
  layout.plane_groups = layout.groups();
  return layout;
}

absl::Status EmitFirstLayer(const FirstLayer& layer, ActivationMemory* memory, ProgramBuilder* builder,
                            LayerRecord* record) {
  return StripEmitter(layer, memory, builder, record).Run();
}

}  // namespace msq::fpga

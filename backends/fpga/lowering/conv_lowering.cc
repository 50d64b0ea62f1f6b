#include "backends/fpga/lowering/conv_lowering.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "backends/fpga/lowering/parameter_packing.h"
#include "backends/fpga/lowering/pixel_tiles.h"
#include "backends/fpga/lowering/weight_packing.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

constexpr int64_t kMaxDilation = 31;  // of the field

// Slots that a CONV writes end here: whole groups of Q of the last tile.
struct Tiling {
  Tiling(int64_t slot_end, const hw::Configuration& configuration)
      : tiles(CeilDiv(slot_end, configuration.lanes())),
        last_groups(CeilDiv(slot_end - (tiles - 1) * configuration.lanes(), configuration.q)),
        written_slots((tiles - 1) * configuration.lanes() + last_groups * configuration.q) {}
  int64_t tiles, last_groups, written_slots;
};

}  // namespace

std::vector<Range> Placed::Rows(int64_t y0, int64_t y1, int64_t groups) const {
  std::vector<Range> ranges;
  const int64_t row = layout.width * layout.pixel_words();
  const int64_t from = std::max<int64_t>(0, y0 - first_row), to = std::min(layout.height, y1 - first_row);
  if (from >= to) return ranges;
  for (int64_t plane = 0; plane < layout.planes(); ++plane) {
    for (int64_t group = 0; group < groups; ++group) {
      const int64_t begin = base + plane * layout.plane_words() + group * layout.group_words() + from * row;
      const int64_t end = begin + (to - from) * row;
      if (!ranges.empty() && ranges.back().end == begin) {
        ranges.back().end = end;
      } else {
        ranges.push_back({begin, end});
      }
    }
  }
  return ranges;
}

ConvLowering::ConvLowering(const ConvJob& job, const ImageLayout& in, const ImageLayout& out, ProgramBuilder* builder)
    : builder_(builder),
      pixels_(job.pixels),
      dilations_(job.dilations),
      pad_top_(job.pad_top),
      pad_left_(job.pad_left),
      out_width_(job.out_width),
      by_tile_(job.by_tile) {
  if (pixels_ == 1) {
    Pack(job, in, out, out.slots);
  } else {
    Pack(SpreadOverPixels(job), in, out, SpreadSlots(out.slots, pixels_));
  }
}

void ConvLowering::Pack(const ConvJob& job, const ImageLayout& in, const ImageLayout& out,
                        const std::vector<int64_t>& slots) {
  steps_ = job.weights.steps();
  kernel_h_ = job.weights.kernel_h;
  kernel_w_ = job.weights.kernel_w;
  groups_ = job.weights.groups();
  strides_ = job.strides;
  const hw::Configuration& configuration = builder_->configuration();
  const int64_t lanes = configuration.lanes();
  const Tiling tiling(slots.empty() ? 0 : *std::max_element(slots.begin(), slots.end()) + 1, configuration);
  written_groups_ = CeilDiv(tiling.written_slots, pixels_ * kWordChannels);
  const WeightCoding coding = ChooseCoding(job.weights, slots, configuration);
  const std::vector<Pass> passes = PassesOf(coding.shape, in.bits);
  // Without `stream`, passes over both planes share the rows of a digit; with it each pass has its own.
  const bool one_group = pixels_ == 1 && job.out_height * job.out_width <= configuration.p;
  const bool too_large = coding.shape.count() * steps_ > configuration.wdepth;
  const bool stream = too_large || (one_group && in.bits == 4);
  std::vector<size_t> digits, blocks;  // the digit of each block of rows; the block of each pass
  if (stream) {
    for (const Pass& pass : passes) digits.push_back(pass.digit);
    blocks.resize(passes.size());
    std::iota(blocks.begin(), blocks.end(), size_t{0});
  } else {
    digits.resize(static_cast<size_t>(coding.shape.count()));
    std::iota(digits.begin(), digits.end(), size_t{0});
    for (const Pass& pass : passes) blocks.push_back(pass.digit);
  }
  const int64_t param_rows = job.leaky ? 4 : 2, weight_rows = std::ssize(digits) * steps_;
  std::vector<TileBeats> tiles(static_cast<size_t>(tiling.tiles), TileBeats(param_rows + weight_rows, lanes));
  for (int64_t row = 0; row < job.weights.rows; ++row) {
    const int64_t slot = slots[static_cast<size_t>(row)], lane = slot % lanes;
    TileBeats& tile = tiles[static_cast<size_t>(slot / lanes)];
    PackWeights(job.weights, row, coding, digits, param_rows, lane, &tile);
    const int64_t c = FoldConstant(tile, lane, configuration.is_dsp(lane), passes, blocks, param_rows, steps_);
    PackParameters(job.rows[static_cast<size_t>(row)], c, coding.codes[static_cast<size_t>(row)], job.leaky, lane,
                   &tile);
  }
  const PortStreams streams = SplitIntoPorts(tiles, param_rows, configuration);
  weight_bytes_ = std::ssize(streams.bytes);
  weights_ = {.dram = builder_->AddWeights(streams.bytes),
              .port_stride = streams.port_stride,
              .tiles = tiling.tiles,
              .param_rows = param_rows,
              .diagonal = streams.diagonal,
              .weight_rows = weight_rows};
  conv_.passes = std::ssize(passes);
  conv_.raw = out.raw;
  conv_.leaky = job.leaky;
  conv_.out8 = !out.raw && out.bits == 8;
  conv_.stream = stream;
  conv_.tiles = tiling.tiles;
  conv_.last_groups = tiling.last_groups;
  conv_.kernel_h = kernel_h_;
  conv_.kernel_w = kernel_w_;
  conv_.channel_groups = groups_;
  conv_.pad_low = job.pad_code & 15;
  conv_.pad_high = job.pad_code >> 4;
  conv_.weight_rows = weight_rows;
  const std::array<int64_t*, 8> pass_rows = {&conv_.pass0_row, &conv_.pass1_row, &conv_.pass2_row, &conv_.pass3_row,
                                             &conv_.pass4_row, &conv_.pass5_row, &conv_.pass6_row, &conv_.pass7_row};
  for (size_t i = 0; i < passes.size(); ++i) {
    *pass_rows[i] = stream ? 0 : static_cast<int64_t>(blocks[i]) * steps_;
    conv_.pass_plane |= int64_t{passes[i].high_plane} << i;
    conv_.pass_shift |= int64_t{passes[i].shift} << i;
  }
}

absl::Status ConvLowering::EmitRows(const Placed& in, const Placed& out, const Placed* skip, int64_t y0, int64_t y1) {
  return EmitBlock(in, out, skip, {y0, y1 - y0, 0, out_width_});
}

absl::Status ConvLowering::EmitBlock(const Placed& in, const Placed& out, const Placed* skip, const OutputPart& block) {
  if (!conv_.stream) return EmitPart(in, out, skip, block);
  // One group of pixels an instruction: some rows, or a part of one.
  const int64_t p = builder_->configuration().p;
  const int64_t columns = std::min(p, block.columns), rows = std::max<int64_t>(1, p / block.columns);
  for (int64_t y = block.y; y < block.y + block.rows; y += rows) {
    for (int64_t x = block.x; x < block.x + block.columns; x += columns) {
      const OutputPart part = {y, std::min(rows, block.y + block.rows - y), x,
                               std::min(columns, block.x + block.columns - x)};
      MSQ_RETURN_IF_ERROR(EmitPart(in, out, skip, part));
    }
  }
  return absl::OkStatus();
}

void ConvLowering::SetAxis(int64_t first, int64_t outputs, int64_t stride, int64_t taps, int64_t dilation,
                           int64_t length, int64_t* first_field, int64_t* stride_field, int64_t* dilation_field) const {
  *first_field = first;
  *stride_field = stride;
  *dilation_field = dilation;
  // Coordinates only tell what is padding. Without any, large steps need not fit: all taps may be said to be at 0.
  const bool inside = first >= 0 && first + (outputs - 1) * stride + (taps - 1) * dilation < length;
  if (inside && (stride > kMaxStride || dilation > kMaxDilation)) {
    *first_field = *stride_field = *dilation_field = 0;
  }
}

void ConvLowering::SetWindow(const Placed& in, const OutputPart& part, hw::ConvFields* conv) const {
  const ImageLayout& layout = in.layout;
  const int64_t first_y = part.y * strides_[0] - pad_top_ - in.first_row, first_x = part.x * strides_[1] - pad_left_;
  SetAxis(first_y, part.rows, strides_[0], kernel_h_, dilations_[0], layout.height, &conv->first_y, &conv->stride_y,
          &conv->dilation_y);
  SetAxis(first_x, part.columns, strides_[1], kernel_w_, dilations_[1], layout.width, &conv->first_x, &conv->stride_x,
          &conv->dilation_x);
  conv->in_height = layout.height;
  conv->in_width = layout.width;
  const int64_t group = layout.group_words();
  const int64_t back = (groups_ - 1) * group;  // over the groups of a tap
  conv->in = builder_->Address(in.base + first_y * layout.width + first_x);
  conv->in_plane = builder_->Address(layout.plane_words());
  conv->in_tile = builder_->Address(by_tile_ ? groups_ * group : 0);
  conv->in_pixel = builder_->Address(strides_[1]);
  conv->in_row = builder_->Address(strides_[0] * layout.width - (part.columns - 1) * strides_[1]);
  conv->in_group = builder_->Address(group);
  conv->in_tap = builder_->Address(dilations_[1] - back);
  conv->in_tap_row = builder_->Address(dilations_[0] * layout.width - (kernel_w_ - 1) * dilations_[1] - back);
}

void ConvLowering::SetOutput(int64_t pixel, int64_t group, const ImageLayout& layout, hw::ConvFields* conv) const {
  const hw::Configuration& configuration = builder_->configuration();
  const int64_t groups = configuration.lanes() / kWordChannels, last = groups - configuration.q / kWordChannels;
  const int64_t tile = groups / pixels_ * layout.group_words();
  conv->out_pixel = builder_->Address(pixel);
  conv->out_group = builder_->Address(group);
  if (configuration.q >= kWordChannels) conv->out_tile = builder_->Address(tile - last * group);
  conv->out_plane = builder_->Address(layout.plane_words());
}

absl::Status ConvLowering::EmitPart(const Placed& in, const Placed& out, const Placed* skip, const OutputPart& part) {
  const OutputPart tiles = {part.y, part.rows, part.x / pixels_, part.columns / pixels_};
  hw::ConvFields conv = conv_;
  conv.pixels = tiles.rows * tiles.columns;
  conv.out_width = tiles.columns;
  SetWindow(in, tiles, &conv);
  const int64_t pixel_words = out.layout.pixel_words(), group_words = out.layout.group_words();
  conv.out = builder_->Address(out.Row(part.y) + part.x * pixel_words);
  if (pixels_ == 1) {
    SetOutput(pixel_words, group_words, out.layout, &conv);
  } else {
    SetOutput(pixels_ * pixel_words, pixel_words, out.layout, &conv);
  }
  const int64_t top = part.y * strides_[0] - pad_top_;
  const int64_t bottom = top + (part.rows - 1) * strides_[0] + (kernel_h_ - 1) * dilations_[0] + 1;
  Access access = {in.Rows(top, bottom, in.layout.groups()), out.Rows(part.y, part.y + part.rows, written_groups_)};
  if (skip != nullptr) {
    conv.skip = true;
    conv.skip8 = skip->layout.bits == 8;
    conv.skip_in = builder_->Address(skip->Row(part.y) + part.x);
    conv.skip_group = builder_->Address(skip->layout.group_words());
    conv.skip_plane = builder_->Address(skip->layout.plane_words());
    const std::vector<Range> rows = skip->Rows(part.y, part.y + part.rows, skip->layout.groups());
    access.reads.insert(access.reads.end(), rows.begin(), rows.end());
  }
  MSQ_RETURN_IF_ERROR(builder_->Conv(weights_, conv, access));
  const hw::Configuration& configuration = builder_->configuration();
  const int64_t passes = CeilDiv(conv.pixels, configuration.p) * conv.passes;  // of each tile
  const int64_t pixels = std::min<int64_t>(conv.pixels, configuration.p);
  emitted_steps_ += conv.tiles * passes * steps_;
  emitted_cycles_ += passes * ((conv.tiles - 1) * std::max(steps_, pixels * configuration.lanes() / configuration.q) +
                               std::max(steps_, pixels * conv.last_groups));
  emitted_weight_bytes_ += weight_bytes_;
  return absl::OkStatus();
}

absl::Status ConvLowering::EmitTilesAsPixels(const Placed& in, const Placed& out, int64_t tiles) {
  hw::ConvFields conv = conv_;
  SetWindow(in, {0, 1, 0, 1}, &conv);
  conv.pixels = conv.out_width = tiles;
  conv.stride_x = 0;  // of coordinates: every pixel's window is inside
  const int64_t tile_groups = builder_->configuration().lanes() / kWordChannels;
  conv.in_pixel = builder_->Address(tile_groups * in.layout.group_words());
  conv.out = builder_->Address(out.base);
  SetOutput(tile_groups * out.layout.group_words(), out.layout.group_words(), out.layout, &conv);
  const Access access = {in.Rows(0, in.layout.height, in.layout.groups()),
                         out.Rows(0, out.layout.height, tiles * tile_groups)};
  MSQ_RETURN_IF_ERROR(builder_->Conv(weights_, conv, access));
  const hw::Configuration& configuration = builder_->configuration();
  const int64_t passes = CeilDiv(tiles, configuration.p) * conv.passes;
  emitted_steps_ += passes * steps_;
  emitted_cycles_ += passes * std::max(steps_, std::min<int64_t>(tiles, configuration.p) * conv.last_groups);
  emitted_weight_bytes_ += weight_bytes_;
  return absl::OkStatus();
}

void ConvLowering::AddTo(LayerRecord* record) const {
  record->passes = std::max(record->passes, conv_.passes);
  record->steps += emitted_steps_;
  record->cycles += emitted_cycles_;
  record->weight_bytes += emitted_weight_bytes_;
}

}  // namespace msq::fpga

// The convolution that reads a packed input: strip by strip, each strip's words loaded while the one before is computed. A
// maximum pooling that follows is done on the strips, so that what the convolution gives is never there as a whole.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "backends/fpga/lowering/activation_memory.h"
#include "backends/fpga/lowering/conv_lowering.h"
#include "backends/fpga/lowering/program.h"
#include "backends/fpga/lowering/program_builder.h"
#include "model/ir/graph.h"

namespace msq::fpga {

// The packing for a convolution of an input of this type, or nothing if the input as it is takes no more steps.
std::optional<TapPacking> ChoosePacking(const ir::Conv& op, const ir::TensorType& input);
// The packed image's layout. `out_height` and `out_width` are the convolution's.
ImageLayout PackedLayout(const ir::Conv& op, const TapPacking& taps, int bits, int64_t out_height, int64_t out_width);

struct FirstLayer {
  const HostTensor* input;
  ConvLowering* conv;
  ImageLayout conv_out;          // whole
  const Placed* skip = nullptr;  // of the convolution
  const ir::Window* pool = nullptr;
  Placed out;  // the pooling's, or without one the convolution's
  // If it is given, there is no room for `out`, of which the layout alone counts: called with each strip of it.
  std::function<absl::Status(const Placed&)> store = nullptr;
};

// RESOURCE_EXHAUSTED if there is no room for the smallest strips.
absl::Status EmitFirstLayer(const FirstLayer& layer, ActivationMemory* memory, ProgramBuilder* builder,
                            LayerRecord* record);

}  // namespace msq::fpga

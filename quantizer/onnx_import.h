// ONNX (opsets 7 to 17, as PyTorch and tf2onnx export them) to the float graph. Files named onnx_* are the only ones that
// see ONNX's protobuf classes.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "quantizer/float_graph.h"

namespace msq::quantizer {

// INVALID_ARGUMENT for bytes that are no valid ONNX model, UNIMPLEMENTED for operators or settings that the project does not
// execute; the message names the node and what to do. Bounded in time and memory by the size of `bytes`; never aborts.
absl::StatusOr<FloatGraph> ImportOnnx(std::string_view bytes);

// Operators that ImportOnnx accepts, comma-separated, for help texts and messages.
std::string SupportedOnnxOperators();

}  // namespace msq::quantizer

// Which scheme each row of each layer is quantized by.
#pragma once

#include <vector>

#include "quantizer/float_graph.h"
#include "quantizer/options.h"
#include "quantizer/plan.h"

namespace msq::quantizer {

// By node; empty for nodes without weights. 8-bit layers are fixed8. Otherwise the scheme asked for; under kMsq the
// round(sp2_share * rows) rows of smallest variance are SP2 (whose levels crowd around zero) and the others fixed4.
//
// With tied rows, layers whose channels meet (those added to each other, and a depthwise layer and the one before it) choose
// together: a row's variance counts as a share of its layer's, averaged over them. On the accelerator such layers share one
// order of channels, in which fixed rows are wanted where DSP lanes are.
std::vector<std::vector<numerics::Scheme>> AssignSchemes(const FloatGraph& graph, const Plan& plan,
                                                         const QuantizeOptions& options);

}  // namespace msq::quantizer

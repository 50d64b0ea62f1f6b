// Which scheme each row of a layer is quantized by.
#pragma once

#include <span>
#include <vector>

#include "quantizer/float_graph.h"
#include "quantizer/options.h"

namespace msq::quantizer {

// 8-bit layers are fixed8. Otherwise the scheme asked for; under kMsq the round(sp2_share * rows) rows of smallest variance
// are SP2 (whose levels crowd around zero) and the others fixed4.
std::vector<numerics::Scheme> AssignSchemes(const Linear& linear, bool weights8, SchemeChoice choice, double sp2_share);

}  // namespace msq::quantizer

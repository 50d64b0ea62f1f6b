// The style sheet of a report: light and dark, narrow and wide, on paper.
#pragma once

namespace msq::bench {

// Colours of series are the classes c0 to c7 (lines) and f0 to f7 (areas), of parts of a whole p0 to p5.
constexpr int kPageColours = 8;
extern const char kPageStyle[];

}  // namespace msq::bench

#include "hw/sim/dot_product.h"

// One copy for each instruction set that helps; the loader picks what the processor has.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
#define MSQ_CLONES __attribute__((target_clones("arch=icelake-server", "avx2", "default")))
#else
#define MSQ_CLONES
#endif

namespace msq::hw {

MSQ_CLONES int32_t DotProduct(const uint8_t* a, const int8_t* w, size_t count) {
  int32_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += a[i] * w[i];
  return sum;
}

}  // namespace msq::hw

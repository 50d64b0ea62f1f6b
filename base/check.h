// MSQ_CHECK: stops the process on a bug of ours. Never used on anything that a file or the network can reach.
#pragma once

#include <cstdio>
#include <cstdlib>

#define MSQ_CHECK(condition)                                                             \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

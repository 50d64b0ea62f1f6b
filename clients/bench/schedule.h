// When the requests of an open loop are due: a Poisson process, fixed before anything is sent and blind to answers.
#pragma once

#include <cstdint>
#include <random>

namespace msq::bench {

// The same seed gives the same times.
class PoissonSchedule {
 public:
  // Precondition: rate_per_s > 0.
  PoissonSchedule(double rate_per_s, uint64_t seed) : random_(seed), gap_s_(rate_per_s) {}

  // Seconds from the beginning to the next request; never falls.
  double NextSeconds() { return now_s_ += gap_s_(random_); }

 private:
  std::mt19937_64 random_;
  std::exponential_distribution<double> gap_s_;
  double now_s_ = 0;
};

}  // namespace msq::bench

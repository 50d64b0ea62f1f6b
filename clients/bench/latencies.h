// Durations by the thousand in bounded memory: a histogram whose buckets are at most 0.1 % wide, so quantiles are right
// to that. Count, least, largest and mean are exact.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace msq::bench {

// Not thread-safe.
class Latencies {
 public:
  // Negative durations count as 0; those beyond an hour as an hour.
  void Add(double ms);
  void Merge(const Latencies& other);

  int64_t count() const { return count_; }
  // Of nothing there is no mean, and so on.
  std::optional<double> MeanMs() const;
  std::optional<double> MinMs() const;
  std::optional<double> MaxMs() const;
  // What a share of `q` of the durations does not exceed. None where there are fewer than 1 / (1 - q) of them: the
  // largest of 200 durations says nothing of the thousandth part.
  std::optional<double> QuantileMs(double q) const;
  // (share of durations, ms) from 0 up, finer towards 1, as far as QuantileMs() knows: what a plot needs.
  std::vector<std::pair<double, double>> Curve() const;

 private:
  std::vector<uint32_t> buckets_;  // as many as were needed
  int64_t count_ = 0;
  double sum_ms_ = 0, min_ms_ = 0, max_ms_ = 0;
};

}  // namespace msq::bench

#include "clients/bench/latencies.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace msq::bench {
namespace {

// Nanoseconds below 2^11 have a bucket each; above, every octave has 2^10 buckets: 1/1024 of the value wide at most.
constexpr int kBits = 10;
constexpr uint64_t kLongestNs = 3'600'000'000'000;

size_t BucketOf(uint64_t ns) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - kBits - 1);
  return (static_cast<size_t>(shift) << kBits) + (ns >> shift);
}

// The middle of a bucket.
double BucketMs(size_t bucket) {
  const size_t shift = bucket >> (kBits + 1) == 0 ? 0 : (bucket >> kBits) - 1;
  const uint64_t first = (bucket - (shift << kBits)) << shift;
  return (static_cast<double>(first) + static_cast<double>((uint64_t{1} << shift) - 1) / 2) / 1e6;
}

}  // namespace

void Latencies::Add(double ms) {
  const auto ns = static_cast<uint64_t>(std::clamp(ms * 1e6, 0.0, static_cast<double>(kLongestNs)));
  const double kept = static_cast<double>(ns) / 1e6;
  const size_t bucket = BucketOf(ns);
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
  min_ms_ = count_ == 0 ? kept : std::min(min_ms_, kept);
  max_ms_ = count_ == 0 ? kept : std::max(max_ms_, kept);
  sum_ms_ += kept;
  ++count_;
}

void Latencies::Merge(const Latencies& other) {
  if (other.count_ == 0) return;
  if (buckets_.size() < other.buckets_.size()) buckets_.resize(other.buckets_.size());
  for (size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  min_ms_ = count_ == 0 ? other.min_ms_ : std::min(min_ms_, other.min_ms_);
  max_ms_ = count_ == 0 ? other.max_ms_ : std::max(max_ms_, other.max_ms_);
  sum_ms_ += other.sum_ms_;
  count_ += other.count_;
}

std::optional<double> Latencies::MeanMs() const {
  if (count_ == 0) return std::nullopt;
  return sum_ms_ / static_cast<double>(count_);
}

std::optional<double> Latencies::MinMs() const {
  if (count_ == 0) return std::nullopt;
  return min_ms_;
}

std::optional<double> Latencies::MaxMs() const {
  if (count_ == 0) return std::nullopt;
  return max_ms_;
}

std::optional<double> Latencies::QuantileMs(double q) const {
  // 1e-9: 1 - 0.999 is a little more than a thousandth.
  if (count_ == 0 || static_cast<double>(count_) * (1 - q) < 1 - 1e-9) return std::nullopt;
  const auto rank = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(q * static_cast<double>(count_) - 1e-9)));
  int64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::clamp(BucketMs(i), min_ms_, max_ms_);
  }
  return max_ms_;
}

std::vector<std::pair<double, double>> Latencies::Curve() const {
  std::vector<std::pair<double, double>> points;
  if (count_ == 0) return points;
  points.emplace_back(0, min_ms_);
  // Equal steps of the logarithm of what is left above: 0, 0.11, 0.21, ... 0.9 ... 0.99 ... 0.9999.
  for (int step = 1; step <= 80; ++step) {
    const double q = 1 - std::pow(10.0, -step / 20.0);
    const std::optional<double> ms = QuantileMs(q);
    if (!ms.has_value()) break;
    points.emplace_back(q, *ms);
  }
  return points;
}

}  // namespace msq::bench

// Whether a measurement has settled: its last three rounds agree, in throughput and in latency.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace msq::bench {

struct RoundFigures {
  double answers_per_s = 0;
  double p50_ms = 0;
  // Open loop: answers a request due. How many are due in a round is the schedule's chance and says nothing of the
  // server, so that this is what is judged there instead of answers a second.
  std::optional<double> answered_share = {};
};

enum class Stability { kNotJudged, kUnstable, kStable };
std::string_view StabilityName(Stability stability);

constexpr int kStableRounds = 3;

// Stable when each of the last three rounds is within `percent` of their mean, in both figures. Not judged with fewer
// rounds, or where `percent` is not positive. A round without answers is never stable.
Stability JudgeStability(const std::vector<RoundFigures>& rounds, double percent);

}  // namespace msq::bench

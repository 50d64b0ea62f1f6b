#include "clients/bench/stability.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace msq::bench {
namespace {

bool Agree(std::span<const RoundFigures> rounds, double RoundFigures::*figure, double percent) {
  double sum = 0;
  for (const RoundFigures& round : rounds) sum += round.*figure;
  const double mean = sum / static_cast<double>(rounds.size());
  return mean > 0 && std::all_of(rounds.begin(), rounds.end(), [&](const RoundFigures& round) {
           return round.*figure > 0 && std::abs(round.*figure - mean) <= mean * percent / 100;
         });
}

}  // namespace

std::string_view StabilityName(Stability stability) {
  switch (stability) {
    case Stability::kStable:
      return "stable";
    case Stability::kUnstable:
      return "unstable";
    case Stability::kNotJudged:
      break;
  }
  return "not judged";
}

Stability JudgeStability(const std::vector<RoundFigures>& rounds, double percent) {
  if (rounds.size() < kStableRounds || percent <= 0) return Stability::kNotJudged;
  const auto last = std::span(rounds).last(kStableRounds);
  const bool settled =
      Agree(last, &RoundFigures::answers_per_s, percent) && Agree(last, &RoundFigures::p50_ms, percent);
  return settled ? Stability::kStable : Stability::kUnstable;
}

}  // namespace msq::bench

#include "clients/bench/stability.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace msq::bench {
namespace {

double Throughput(const RoundFigures& round) {
  return round.answered_share.value_or(round.answers_per_s);
}

double Latency(const RoundFigures& round) {
  return round.p50_ms;
}

bool Agree(std::span<const RoundFigures> rounds, double (*figure)(const RoundFigures&), double percent) {
  double sum = 0;
  for (const RoundFigures& round : rounds) sum += figure(round);
  const double mean = sum / static_cast<double>(rounds.size());
  return mean > 0 && std::all_of(rounds.begin(), rounds.end(), [&](const RoundFigures& round) {
           return figure(round) > 0 && std::abs(figure(round) - mean) <= mean * percent / 100;
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
  const bool settled = Agree(last, Throughput, percent) && Agree(last, Latency, percent);
  return settled ? Stability::kStable : Stability::kUnstable;
}

}  // namespace msq::bench

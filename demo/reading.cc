// Softmax, comparison and the lines that the demo prints.
#include "demo/reading.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "demo/render.h"

namespace msq::demo {

Guess BestGuess(std::span<const float> scores) {
  MSQ_CHECK(scores.size() == kLastCharacter - kFirstCharacter + 1);
  const auto best = std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const float score : scores) sum += std::exp(static_cast<double>(score) - *best);
  return {.character = static_cast<char>(kFirstCharacter + (best - scores.begin())), .confidence = 1 / sum};
}

Reading Compare(std::string_view written, std::span<const Guess> guesses) {
  Reading reading;
  std::string marks;
  std::string details;
  for (size_t i = 0; i < written.size(); ++i) {
    if (written[i] == ' ') {
      reading.text += ' ';
      marks += ' ';
      continue;
    }
    MSQ_CHECK(static_cast<size_t>(reading.total) < guesses.size());
    const Guess& guess = guesses[static_cast<size_t>(reading.total++)];
    const bool right = guess.character == written[i];
    reading.right += right ? 1 : 0;
    reading.text += guess.character;
    marks += right ? ' ' : '^';
    if (!right) {
      absl::StrAppendFormat(&details, "          position %d: '%c' read as '%c' (%.0f %% sure)\n", i + 1, written[i],
                            guess.character, 100 * guess.confidence);
    }
  }
  MSQ_CHECK(static_cast<size_t>(reading.total) == guesses.size());
  reading.report = absl::StrCat("written   ", std::string(written), "\nread      ", reading.text, "\n");
  if (reading.right < reading.total) absl::StrAppend(&reading.report, "          ", marks, "\n", details);
  return reading;
}

}  // namespace msq::demo

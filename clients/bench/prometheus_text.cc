#include "clients/bench/prometheus_text.h"

#include <limits>
#include <optional>

#include "absl/strings/numbers.h"
#include "base/status.h"

namespace msq::bench {
namespace {

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
}

// Takes one line apart from left to right; each step says whether it found what it wants.
class Line {
 public:
  explicit Line(std::string_view text) : rest_(text) { SkipBlanks(); }

  bool IsEmpty() const { return rest_.empty() || rest_.front() == '#'; }

  std::optional<Series> Parse() {
    Series series;
    series.name = TakeName();
    if (series.name.empty()) return std::nullopt;
    SkipBlanks();
    if (Take('{') && !TakeLabels(&series)) return std::nullopt;
    SkipBlanks();
    const std::string_view value = TakeWord();
    if (!ParseValue(value, &series.value)) return std::nullopt;
    SkipBlanks();
    TakeWord();  // a time stamp
    SkipBlanks();
    if (!rest_.empty()) return std::nullopt;
    return series;
  }

 private:
  void SkipBlanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\r')) {
      rest_.remove_prefix(1);
    }
  }

  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string TakeName() {
    size_t length = 0;
    while (length < rest_.size() && IsNameCharacter(rest_[length])) ++length;
    std::string name(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return name;
  }

  std::string_view TakeWord() {
    const std::string_view word = rest_.substr(0, rest_.find_first_of(" \t\r"));
    rest_.remove_prefix(word.size());
    return word;
  }

  // Behind the '{'; takes the '}' too. A comma may come before it.
  bool TakeLabels(Series* series) {
    while (true) {
      SkipBlanks();
      if (Take('}')) return true;
      const std::string key = TakeName();
      SkipBlanks();
      if (key.empty() || !Take('=')) return false;
      SkipBlanks();
      if (!Take('"') || !TakeString(&series->labels[key])) return false;
      SkipBlanks();
      if (!Take(',') && (rest_.empty() || rest_.front() != '}')) return false;
    }
  }

  // Behind the opening quote; takes the closing one too.
  bool TakeString(std::string* value) {
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (c != '\\') {
        *value += c;
        continue;
      }
      if (rest_.empty()) return false;
      *value += rest_.front() == 'n' ? '\n' : rest_.front();
      rest_.remove_prefix(1);
    }
    return false;
  }

  static bool ParseValue(std::string_view text, double* value) {
    if (text == "NaN" || text == "Nan") {
      *value = std::numeric_limits<double>::quiet_NaN();
      return true;
    }
    return absl::SimpleAtod(absl::string_view(text.data(), text.size()), value);
  }

  std::string_view rest_;
};

}  // namespace

const std::string& Series::Label(const std::string& key) const {
  static const std::string none;
  const auto found = labels.find(key);
  return found == labels.end() ? none : found->second;
}

absl::StatusOr<std::vector<Series>> ParsePrometheusText(std::string_view text) {
  std::vector<Series> all;
  for (int number = 1; !text.empty(); ++number) {
    const size_t length = text.find('\n');
    Line line(text.substr(0, length));
    text.remove_prefix(length == std::string_view::npos ? text.size() : length + 1);
    if (line.IsEmpty()) continue;
    std::optional<Series> series = line.Parse();
    if (!series.has_value()) return DataLoss("line ", number, " of the metrics is no series");
    all.push_back(*std::move(series));
  }
  return all;
}

}  // namespace msq::bench

#include "clients/bench/live_progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace msq::bench {

LiveProgress::LiveProgress(double total_s)
    : visible_(isatty(STDERR_FILENO) == 1), begin_(std::chrono::steady_clock::now()), total_s_(total_s) {}

LiveProgress::~LiveProgress() {
  Clear();
}

void LiveProgress::Show(const std::string& what, double images_per_s) {
  if (!visible_) return;
  const double passed_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  const double share = std::clamp(passed_s / std::max(total_s_, 1e-3), 0.0, 0.99);
  std::string bar(24, ' ');
  std::fill_n(bar.begin(), static_cast<size_t>(share * 24), '#');
  const auto left_s = static_cast<int>(std::max(0.0, total_s_ - passed_s) + 0.5);
  std::fprintf(stderr, "\r\x1b[K[%s] %3.0f%%  %d:%02d left  %s  %.0f images/s", bar.c_str(), share * 100, left_s / 60,
               left_s % 60, what.c_str(), images_per_s);
  std::fflush(stderr);
}

void LiveProgress::Clear() {
  if (!visible_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

}  // namespace msq::bench

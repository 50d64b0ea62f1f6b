#include "clients/msq/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace msq::client {

Progress::Progress() : visible_(isatty(STDERR_FILENO) == 1), begin_(std::chrono::steady_clock::now()) {}

void Progress::Show(double share, const std::string& what) {
  if (!visible_) return;
  const double passed_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  share = std::clamp(share, 1e-3, 0.999);
  std::string bar(24, ' ');
  std::fill_n(bar.begin(), static_cast<size_t>(share * 24), '#');
  const auto left_s = static_cast<int>(passed_s / share - passed_s + 0.5);
  std::fprintf(stderr, "\r\x1b[K[%s] %3.0f%%  %d:%02d left  %s", bar.c_str(), share * 100, left_s / 60, left_s % 60,
               what.c_str());
  std::fflush(stderr);
}

void Progress::Clear() {
  if (!visible_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

}  // namespace msq::client

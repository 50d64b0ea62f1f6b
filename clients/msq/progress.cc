#include "clients/msq/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace msq::client {

Progress::Progress(int64_t total) : total_(std::max<int64_t>(total, 1)), visible_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (visible_) std::fputs("\r\x1b[K", stderr);
}

void Progress::Update(int64_t done) {
  const auto permille = static_cast<int>(done * 1000 / total_);
  if (!visible_ || permille == drawn_permille_) return;
  drawn_permille_ = permille;
  std::string bar(40, ' ');
  std::fill_n(bar.begin(), std::min(permille, 1000) * 40 / 1000, '#');
  std::fprintf(stderr, "\r[%s] %5.1f%%  %lld/%lld", bar.c_str(), permille / 10.0, static_cast<long long>(done),
               static_cast<long long>(total_));
  std::fflush(stderr);
}

}  // namespace msq::client

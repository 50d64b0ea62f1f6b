// Says once, not at every sample, that a sensor cannot be read; and again when that has changed in between.
#pragma once

#include <set>
#include <string>

#include "absl/status/status.h"

namespace msq::server {

// Of one thread at a time.
class FailureLog {
 public:
  // What came of reading `path`, which is a path for the log. A file that is not there is nothing to tell.
  void Note(const std::string& path, const absl::Status& status);

 private:
  std::set<std::string> told_;
};

}  // namespace msq::server

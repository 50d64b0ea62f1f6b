// Says once, not at every sample, that a sensor cannot be read or tells nonsense; and again when that has changed in
// between. That a rail is gone, whatever the reason, the meter says.
#pragma once

#include <set>
#include <string>

#include "absl/status/status.h"

namespace msq::server {

// Of one thread at a time.
class FailureLog {
 public:
  // What came of reading `sensor`; the status names it for people. A file that is not there is nothing to tell.
  void Note(const std::string& sensor, const absl::Status& status);

 private:
  std::set<std::string> told_;
};

}  // namespace msq::server

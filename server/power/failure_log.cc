#include "server/power/failure_log.h"

#include "base/log.h"

namespace msq::server {

void FailureLog::Note(const std::string& sensor, const absl::Status& status) {
  if (status.ok() || absl::IsNotFound(status)) {
    told_.erase(sensor);
    return;
  }
  if (!told_.insert(sensor).second) return;
  if (absl::IsPermissionDenied(status)) {
    LogWarning("power: ", status.message(),
               "; there is no series of it until the daemon may read it: ", "see \"Permissions\" in docs/power.md");
  } else {
    LogWarning("power: ", status.message(), "; there is no series of it until that changes");
  }
}

}  // namespace msq::server

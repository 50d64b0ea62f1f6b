// Status plumbing: return-if-error macros, error factories with printf-free formatting, and context.
// Debian's Abseil has none of these; everything fallible in the project returns absl::Status or absl::StatusOr.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace msq {

// The message as a std::string_view (Abseil's own string_view is another type here).
inline std::string_view Message(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// The same status with "context: " put before its message. An OK status stays OK.
template <typename... Parts>
absl::Status WithContext(const absl::Status& status, const Parts&... parts) {
  if (status.ok()) return status;
  absl::Status result(status.code(), absl::StrCat(parts..., ": ", status.message()));
  status.ForEachPayload(
      [&result](absl::string_view url, const absl::Cord& payload) { result.SetPayload(url, payload); });
  return result;
}

// Error factories that concatenate their arguments: InvalidArgument("shape has ", n, " dimensions").
template <typename... Parts>
absl::Status InvalidArgument(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}
template <typename... Parts>
absl::Status DataLoss(const Parts&... parts) {
  return absl::DataLossError(absl::StrCat(parts...));
}
template <typename... Parts>
absl::Status NotFound(const Parts&... parts) {
  return absl::NotFoundError(absl::StrCat(parts...));
}
template <typename... Parts>
absl::Status Unimplemented(const Parts&... parts) {
  return absl::UnimplementedError(absl::StrCat(parts...));
}
template <typename... Parts>
absl::Status Unavailable(const Parts&... parts) {
  return absl::UnavailableError(absl::StrCat(parts...));
}
template <typename... Parts>
absl::Status FailedPrecondition(const Parts&... parts) {
  return absl::FailedPreconditionError(absl::StrCat(parts...));
}

}  // namespace msq

#define MSQ_CONCAT_INNER_(a, b) a##b
#define MSQ_CONCAT_(a, b) MSQ_CONCAT_INNER_(a, b)

// Returns from the enclosing function when `expr` is not OK.
#define MSQ_RETURN_IF_ERROR(expr)                               \
  do {                                                          \
    if (absl::Status msq_status_ = (expr); !msq_status_.ok()) { \
      return msq_status_;                                       \
    }                                                           \
  } while (false)

// MSQ_ASSIGN_OR_RETURN(auto value, Compute()): declares or assigns the value, or returns the error.
#define MSQ_ASSIGN_OR_RETURN(lhs, expr) MSQ_ASSIGN_OR_RETURN_IMPL_(MSQ_CONCAT_(msq_statusor_, __LINE__), lhs, expr)
#define MSQ_ASSIGN_OR_RETURN_IMPL_(statusor, lhs, expr)    \
  auto statusor = (expr);                                  \
  if (!statusor.ok()) return std::move(statusor).status(); \
  lhs = std::move(statusor).value()

#include "server/protocol/request_parameters.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string_view>

#include "absl/strings/match.h"
#include "base/status.h"

namespace msq::server {
namespace {

using inference::InferParameter;

constexpr size_t kMaxSequenceIdBytes = 128;

constexpr unsigned Kind(InferParameter::ParameterChoiceCase choice) {
  return 1u << choice;
}
constexpr unsigned kBool = Kind(InferParameter::kBoolParam);
constexpr unsigned kString = Kind(InferParameter::kStringParam);
constexpr unsigned kInteger = Kind(InferParameter::kInt64Param) | Kind(InferParameter::kUint64Param);

// A number of microseconds or a level: negative ones are no numbers of either.
absl::StatusOr<uint64_t> NotNegative(std::string_view key, const InferParameter& value) {
  if (value.has_uint64_param()) return value.uint64_param();
  if (value.int64_param() < 0) return InvalidArgument("parameter '", std::string(key), "' must not be negative");
  return static_cast<uint64_t>(value.int64_param());
}

absl::Status ReadBackend(const InferParameter& value, InferenceRequest* request) {
  request->backend = value.string_param();
  return absl::OkStatus();
}
absl::Status ReadPriority(const InferParameter& value, InferenceRequest* request) {
  MSQ_ASSIGN_OR_RETURN(request->priority, NotNegative("priority", value));
  return absl::OkStatus();
}
absl::Status ReadTimeout(const InferParameter& value, InferenceRequest* request) {
  MSQ_ASSIGN_OR_RETURN(const uint64_t microseconds, NotNegative("timeout", value));
  constexpr auto kLongest = static_cast<uint64_t>(std::numeric_limits<int64_t>::max() / 1000);
  request->timeout = absl::Microseconds(static_cast<int64_t>(std::min(microseconds, kLongest)));
  return absl::OkStatus();
}
absl::Status ReadSequenceId(const InferParameter& value, InferenceRequest* request) {
  if (value.has_string_param()) {
    if (value.string_param().size() > kMaxSequenceIdBytes) {
      return InvalidArgument("parameter 'sequence_id' has ", value.string_param().size(), " bytes, the limit is ",
                             kMaxSequenceIdBytes);
    }
    request->sequence.text = value.string_param();
  } else if (value.has_uint64_param()) {
    request->sequence.number = value.uint64_param();
  } else {
    request->sequence.number = static_cast<uint64_t>(value.int64_param());
  }
  return absl::OkStatus();
}
absl::Status ReadSequenceStart(const InferParameter& value, InferenceRequest* request) {
  request->sequence_start = value.bool_param();
  return absl::OkStatus();
}
absl::Status ReadSequenceEnd(const InferParameter& value, InferenceRequest* request) {
  request->sequence_end = value.bool_param();
  return absl::OkStatus();
}
// Asks for an empty last answer of models that answer several times; here each request has one answer.
absl::Status Ignore(const InferParameter&, InferenceRequest*) {
  return absl::OkStatus();
}

struct KnownParameter {
  std::string_view key;
  unsigned kinds;
  std::string_view kinds_text;
  absl::Status (*read)(const InferParameter&, InferenceRequest*);
};
constexpr KnownParameter kKnownParameters[] = {
    {"backend", kString, "a string", ReadBackend},
    {"priority", kInteger, "an int64 or a uint64", ReadPriority},
    {"sequence_end", kBool, "a bool", ReadSequenceEnd},
    {"sequence_id", kInteger | kString, "an int64, a uint64 or a string", ReadSequenceId},
    {"sequence_start", kBool, "a bool", ReadSequenceStart},
    {"timeout", kInteger, "an int64 or a uint64", ReadTimeout},
    {"triton_enable_empty_final_response", kBool, "a bool", Ignore},
};

}  // namespace

absl::Status ReadParameters(InferenceRequest* request) {
  for (const auto& [key, value] : request->message->parameters()) {
    const auto known = std::find_if(std::begin(kKnownParameters), std::end(kKnownParameters),
                                    [&key = key](const KnownParameter& one) { return one.key == key; });
    if (known != std::end(kKnownParameters)) {
      if ((known->kinds & Kind(value.parameter_choice_case())) == 0) {
        return InvalidArgument("parameter '", key, "' must be ", std::string(known->kinds_text));
      }
      MSQ_RETURN_IF_ERROR(known->read(value, request));
    } else if (absl::StartsWith(key, "triton_")) {
      return InvalidArgument("parameter keys starting with 'triton_' are reserved, got '", key, "'");
    } else if (value.has_uint64_param()) {
      return InvalidArgument("parameter '", key,
                             "' has the type uint64, which only 'priority', 'timeout' and "
                             "'sequence_id' may have");
    }
  }
  return absl::OkStatus();
}

}  // namespace msq::server

#include "server/observe/trace_settings.h"

#include "absl/strings/numbers.h"
#include "base/status.h"

namespace msq::server {
namespace {

// The numeric value of a setting, at least `min`; none when it is cleared.
template <typename Number>
absl::Status ReadNumber(const std::string& name, const std::vector<std::string>& values, Number min,
                        std::optional<Number>* result) {
  result->reset();
  if (values.empty()) return absl::OkStatus();
  if (values.size() != 1) return InvalidArgument("expect only 1 value for '", name, "'");
  Number number = 0;
  if (!absl::SimpleAtoi(values[0], &number) || number < min) {
    return InvalidArgument("unable to parse '", name, "': expect a number of at least ", min, ", got: ", values[0]);
  }
  *result = number;
  return absl::OkStatus();
}

absl::Status ReadLevel(const std::vector<std::string>& values, std::optional<bool>* timestamps) {
  timestamps->reset();
  for (const std::string& value : values) {
    if (value == "TENSORS") return InvalidArgument("trace level TENSORS is not supported, only OFF and TIMESTAMPS");
    if (value != "OFF" && value != "TIMESTAMPS") {
      return InvalidArgument("unable to parse 'trace_level': expect OFF or TIMESTAMPS, got: ", value);
    }
    const bool on = value == "TIMESTAMPS";
    if (timestamps->value_or(on) != on) return InvalidArgument("'trace_level' is either OFF or TIMESTAMPS");
    *timestamps = on;
  }
  return absl::OkStatus();
}

absl::Status Set(const std::string& name, const std::vector<std::string>& values, TraceSettings* settings) {
  if (name == "trace_level") return ReadLevel(values, &settings->timestamps);
  if (name == "trace_rate") return ReadNumber<uint32_t>(name, values, 1, &settings->rate);
  if (name == "trace_count") return ReadNumber<int64_t>(name, values, -1, &settings->count);
  if (name == "log_frequency") return ReadNumber<uint32_t>(name, values, 0, &settings->log_frequency);
  if (name == "trace_mode") {
    if (values.empty() || (values.size() == 1 && values[0] == "triton")) return absl::OkStatus();
    return InvalidArgument("'trace_mode' can only be triton");
  }
  if (name == "trace_file") return Unimplemented("trace file location can not be updated through network protocol");
  return InvalidArgument("unsupported trace setting: '", name, "'");
}

}  // namespace

absl::Status TraceSettings::Update(const TraceSettingMap& changes) {
  TraceSettings changed = *this;
  for (const auto& [name, values] : changes) MSQ_RETURN_IF_ERROR(Set(name, values, &changed));
  *this = changed;
  return absl::OkStatus();
}

TraceSettings TraceSettings::Over(const TraceSettings& next) const {
  TraceSettings merged = *this;
  if (!merged.timestamps) merged.timestamps = next.timestamps;
  if (!merged.rate) merged.rate = next.rate;
  if (!merged.count) merged.count = next.count;
  if (!merged.log_frequency) merged.log_frequency = next.log_frequency;
  return merged;
}

TraceSettingMap ToMap(const TraceSettings& settings, const std::string& trace_file) {
  return {{"trace_file", {trace_file}},
          {"trace_level", {*settings.timestamps ? "TIMESTAMPS" : "OFF"}},
          {"trace_rate", {std::to_string(*settings.rate)}},
          {"trace_count", {std::to_string(*settings.count)}},
          {"log_frequency", {std::to_string(*settings.log_frequency)}},
          {"trace_mode", {"triton"}}};
}

}  // namespace msq::server

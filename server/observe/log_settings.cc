#include "server/observe/log_settings.h"

#include <mutex>
#include <string>

#include "base/log.h"
#include "base/status.h"

namespace msq::server {
namespace {

using Value = inference::LogSettingsRequest::SettingValue;

constexpr char kDefaultFormat[] = "default";
constexpr char kIso8601Format[] = "ISO8601";

absl::Status SetSwitch(const std::string& name, const Value& value, bool* on) {
  if (!value.has_bool_param()) return InvalidArgument("expect boolean for '", name, "'");
  *on = value.bool_param();
  return absl::OkStatus();
}

absl::Status SetFormat(const std::string& name, const Value& value, LogFormat* format) {
  if (!value.has_string_param()) return InvalidArgument("expect string for '", name, "'");
  const std::string& text = value.string_param();
  if (text != kDefaultFormat && text != kIso8601Format) {
    return InvalidArgument("'", name, "' must be ", kDefaultFormat, " or ", kIso8601Format, ", got: ", text);
  }
  *format = text == kIso8601Format ? LogFormat::kIso8601 : LogFormat::kDefault;
  return absl::OkStatus();
}

absl::Status Set(const std::string& name, const Value& value, LogSettings* settings) {
  if (name == "log_info") return SetSwitch(name, value, &settings->info);
  if (name == "log_warning") return SetSwitch(name, value, &settings->warning);
  if (name == "log_error") return SetSwitch(name, value, &settings->error);
  if (name == "log_format") return SetFormat(name, value, &settings->format);
  if (name == "log_verbose_level") {
    if (!value.has_uint32_param()) return InvalidArgument("expect unsigned integer for '", name, "'");
    settings->verbose_level = value.uint32_param();
    return absl::OkStatus();
  }
  if (name == "log_file") return Unimplemented("log file location can not be updated through network protocol");
  return InvalidArgument("unsupported log setting: '", name, "'");
}

}  // namespace

absl::Status UpdateLogSettings(const inference::LogSettingsRequest& request, inference::LogSettingsResponse* response) {
  static std::mutex mutex;  // one update at a time, else one could undo another
  const std::lock_guard lock(mutex);
  LogSettings settings = GetLogSettings();
  for (const auto& [name, value] : request.settings()) MSQ_RETURN_IF_ERROR(Set(name, value, &settings));
  SetLogSettings(settings);
  auto& answer = *response->mutable_settings();
  answer["log_file"].set_string_param("");
  answer["log_info"].set_bool_param(settings.info);
  answer["log_warning"].set_bool_param(settings.warning);
  answer["log_error"].set_bool_param(settings.error);
  answer["log_verbose_level"].set_uint32_param(settings.verbose_level);
  answer["log_format"].set_string_param(settings.format == LogFormat::kIso8601 ? kIso8601Format : kDefaultFormat);
  return absl::OkStatus();
}

}  // namespace msq::server

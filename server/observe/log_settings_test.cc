#include "server/observe/log_settings.h"

#include <functional>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/status.h"

namespace msq::server {
namespace {

using Value = inference::LogSettingsRequest::SettingValue;

class LogSettingsTest : public ::testing::Test {
 protected:
  ~LogSettingsTest() override { SetLogSettings(LogSettings()); }

  inference::LogSettingsRequest request_;
  inference::LogSettingsResponse response_;
};

TEST_F(LogSettingsTest, AnEmptyRequestReads) {
  ASSERT_TRUE(UpdateLogSettings(request_, &response_).ok());
  EXPECT_EQ(response_.settings_size(), 6);
  const auto& settings = response_.settings();
  EXPECT_EQ(settings.at("log_file").string_param(), "");
  EXPECT_TRUE(settings.at("log_info").bool_param());
  EXPECT_TRUE(settings.at("log_warning").bool_param());
  EXPECT_TRUE(settings.at("log_error").bool_param());
  EXPECT_TRUE(settings.at("log_verbose_level").has_uint32_param());
  EXPECT_EQ(settings.at("log_verbose_level").uint32_param(), 0u);
  EXPECT_EQ(settings.at("log_format").string_param(), "default");
}

TEST_F(LogSettingsTest, ChangesWhatIsNamed) {
  auto& changes = *request_.mutable_settings();
  changes["log_warning"].set_bool_param(false);
  changes["log_verbose_level"].set_uint32_param(3);
  changes["log_format"].set_string_param("ISO8601");
  ASSERT_TRUE(UpdateLogSettings(request_, &response_).ok());
  const LogSettings settings = GetLogSettings();
  EXPECT_TRUE(settings.info);
  EXPECT_FALSE(settings.warning);
  EXPECT_TRUE(settings.error);
  EXPECT_EQ(settings.verbose_level, 3u);
  EXPECT_EQ(settings.format, LogFormat::kIso8601);
  EXPECT_FALSE(response_.settings().at("log_warning").bool_param());
  EXPECT_EQ(response_.settings().at("log_format").string_param(), "ISO8601");
  changes.clear();
  changes["log_format"].set_string_param("default");
  changes["log_error"].set_bool_param(false);
  changes["log_info"].set_bool_param(false);
  ASSERT_TRUE(UpdateLogSettings(request_, &response_).ok());
  EXPECT_EQ(GetLogSettings().format, LogFormat::kDefault);
  EXPECT_FALSE(GetLogSettings().error || GetLogSettings().info);
}

TEST_F(LogSettingsTest, RefusesWhatItCannotSetAndChangesNothing) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  const std::tuple<std::string, std::function<void(Value&)>, absl::StatusCode, std::string> cases[] = {
      {"log_info", [](Value& v) { v.set_uint32_param(1); }, kInvalid, "expect boolean for 'log_info'"},
      {"log_error", [](Value&) {}, kInvalid, "expect boolean for 'log_error'"},
      {"log_verbose_level", [](Value& v) { v.set_bool_param(true); }, kInvalid,
       "expect unsigned integer for 'log_verbose_level'"},
      {"log_format", [](Value& v) { v.set_bool_param(true); }, kInvalid, "expect string for 'log_format'"},
      {"log_format", [](Value& v) { v.set_string_param("iso"); }, kInvalid,
       "'log_format' must be default or ISO8601, got: iso"},
      {"log_noise", [](Value& v) { v.set_bool_param(true); }, kInvalid, "unsupported log setting: 'log_noise'"},
      {"log_file", [](Value& v) { v.set_string_param("x"); }, absl::StatusCode::kUnimplemented,
       "log file location can not be updated through network protocol"},
  };
  for (const auto& [name, set, code, message] : cases) {
    auto& changes = *request_.mutable_settings();
    changes.clear();
    changes["log_warning"].set_bool_param(false);
    set(changes[name]);
    const absl::Status status = UpdateLogSettings(request_, &response_);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(Message(status), message);
    EXPECT_TRUE(GetLogSettings().warning);
  }
}

}  // namespace
}  // namespace msq::server

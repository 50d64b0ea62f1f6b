// The sources of the status page, which the build writes into status_sources.cc.
#pragma once

#include <string_view>

namespace msq::server {

extern const std::string_view kStatusPageHtml;  // with @style@ and @script@ where these belong
extern const std::string_view kStatusPageCss;
extern const std::string_view kStatusPageJs;

}  // namespace msq::server

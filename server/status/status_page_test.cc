#include "server/status/status_page.h"

#include <optional>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "model/testing/sample_model.h"
#include "server/security/sha256.h"
#include "server/testing/raw_http_client.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Between(const std::string& text, const std::string& begin, const std::string& end) {
  const size_t from = text.find(begin) + begin.size();
  return text.substr(from, text.find(end, from) - from);
}

std::string Digest(const std::string& text) {
  Sha256 sha256;
  sha256.Add(text);
  const auto digest = sha256.Finish();
  return absl::Base64Escape({reinterpret_cast<const char*>(digest->data()), digest->size()});
}

TEST(StatusDocumentTest, ThePolicyAllowsItsStyleAndScriptAlone) {
  const auto document = MakeStatusDocument();
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_THAT(document->policy, StartsWith("default-src 'none'; "));
  EXPECT_THAT(document->policy, Not(HasSubstr("unsafe")));
  EXPECT_THAT(document->policy,
              HasSubstr("style-src 'sha256-" + Digest(Between(document->html, "<style>", "</style>")) + "';"));
  EXPECT_THAT(document->policy,
              HasSubstr("script-src 'sha256-" + Digest(Between(document->html, "<script>", "</script>")) + "';"));
  EXPECT_THAT(document->policy, HasSubstr("connect-src 'self'"));
}

TEST(StatusDocumentTest, NothingComesFromElsewhere) {
  const std::string html = MakeStatusDocument()->html;
  EXPECT_THAT(html, StartsWith("<!doctype html>\n"));
  EXPECT_THAT(html, EndsWith("</html>\n"));
  EXPECT_THAT(html, Not(HasSubstr("@s")));  // the places of style and script are filled
  // The only address is the name of SVG.
  const std::string without = std::regex_replace(html, std::regex("http://www.w3.org/2000/svg"), "");
  EXPECT_THAT(without, Not(HasSubstr("://")));
  EXPECT_THAT(without, Not(HasSubstr("@import")));
  // Texts of models and clients must not become elements.
  for (const char* sink : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("}) {
    EXPECT_THAT(html, Not(HasSubstr(sink)));
  }
}

class StatusPagesTest : public ::testing::Test {
 protected:
  StatusPagesTest() {
    stack_.folder().AddModel("m", 1, msq::testing::SampleModel());
    stack_.Open();
    reporter_.emplace(
        StatusReporter::Parts{&stack_.repository(), &stack_.backends(), &stack_.metrics(), nullptr, &history_},
        StatusReporter::Options{});
    endpoint_ =
        *MetricsEndpoint::Start("127.0.0.1:0", {stack_.metrics().registry().get()}, *MakeStatusPages(&*reporter_));
  }

  std::string Ask(const std::string& line) {
    const std::string answer = testing::Exchange(endpoint_->port(), line + " HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(answer, EndsWith("<closed>"));
    return answer.substr(0, answer.rfind("<closed>"));
  }

  testing::ServingStack stack_;
  LogHistory history_;
  std::optional<StatusReporter> reporter_;
  std::unique_ptr<MetricsEndpoint> endpoint_;
};

TEST_F(StatusPagesTest, ThePage) {
  const std::string answer = Ask("GET /");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/html; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Security-Policy: " + MakeStatusDocument()->policy + "\r\n"));
  EXPECT_THAT(answer, HasSubstr("X-Content-Type-Options: nosniff\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n" + MakeStatusDocument()->html));
}

TEST_F(StatusPagesTest, TheFigures) {
  const std::string answer = Ask("GET /status.json");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(answer, HasSubstr("Cache-Control: no-store\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("Access-Control")));  // other sites' scripts may not read it
  const auto status = nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n")));
  EXPECT_EQ(status["models"][0]["name"], "m");
}

TEST_F(StatusPagesTest, HeadHasTheHeadersAlone) {
  for (const char* path : {"/", "/status.json"}) {
    const std::string answer = Ask(absl::StrCat("HEAD ", path));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
  }
}

TEST_F(StatusPagesTest, NothingElse) {
  for (const char* path : {"/favicon.ico", "/status", "/status.json/", "//", "/%2e", "/status_page.js"}) {
    EXPECT_THAT(Ask(absl::StrCat("GET ", path)), StartsWith("HTTP/1.1 404 Not Found\r\n")) << path;
  }
  EXPECT_THAT(Ask("GET /x"), EndsWith("nothing is here; there are: / /metrics /status.json\n"));
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    const std::string answer = Ask(absl::StrCat(method, " /status.json"));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 Method Not Allowed\r\n")) << method;
    EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n"));
  }
  EXPECT_THAT(Ask("GET /metrics"), HasSubstr("msq_model_ready{model=\"m\",version=\"1\"} 1\n"));
}

}  // namespace
}  // namespace msq::server

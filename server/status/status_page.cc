#include "server/status/status_page.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "server/security/sha256.h"
#include "server/status/status_json.h"
#include "server/status/status_sources.h"

namespace msq::server {
namespace {

// As a policy names a script or a style.
absl::StatusOr<std::string> PolicySource(std::string_view text) {
  Sha256 sha256;
  sha256.Add(text);
  MSQ_ASSIGN_OR_RETURN(const Sha256Digest digest, sha256.Finish());
  return absl::StrCat("'sha256-", absl::Base64Escape({reinterpret_cast<const char*>(digest.data()), digest.size()}),
                      "'");
}

}  // namespace

absl::StatusOr<StatusDocument> MakeStatusDocument() {
  const absl::string_view style(kStatusPageCss.data(), kStatusPageCss.size());
  const absl::string_view script(kStatusPageJs.data(), kStatusPageJs.size());
  MSQ_ASSIGN_OR_RETURN(const std::string style_source, PolicySource(kStatusPageCss));
  MSQ_ASSIGN_OR_RETURN(const std::string script_source, PolicySource(kStatusPageJs));
  StatusDocument document;
  document.html =
      absl::StrReplaceAll({kStatusPageHtml.data(), kStatusPageHtml.size()}, {{"@style@", style}, {"@script@", script}});
  document.policy = absl::StrCat("default-src 'none'; style-src ", style_source, "; script-src ", script_source,
                                 "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                                 "frame-ancestors 'none'");
  return document;
}

absl::StatusOr<WebPages> MakeStatusPages(const StatusReporter* reporter) {
  MSQ_ASSIGN_OR_RETURN(StatusDocument document, MakeStatusDocument());
  const WebHeaders headers = {{"Cache-Control", "no-store"},
                              {"X-Content-Type-Options", "nosniff"},
                              {"Referrer-Policy", "no-referrer"},
                              {"Cross-Origin-Resource-Policy", "same-origin"}};
  WebPage page{headers, [html = std::move(document.html)] { return html; }};
  page.headers.emplace_back("Content-Type", "text/html; charset=utf-8");
  page.headers.emplace_back("Content-Security-Policy", document.policy);
  WebPage figures{headers, [reporter] { return StatusToJson(reporter->Report()); }};
  figures.headers.emplace_back("Content-Type", "application/json");
  WebPages pages;
  pages.emplace("/", std::move(page));
  pages.emplace("/status.json", std::move(figures));
  return pages;
}

}  // namespace msq::server

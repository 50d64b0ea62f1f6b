#include "clients/bench/html_text.h"

#include "absl/strings/str_cat.h"

namespace msq::bench {

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string ToHtml(const HtmlTable& table) {
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  const auto kind = [&table](size_t column) { return column < table.text_columns ? " class=\"text\"" : ""; };
  for (size_t i = 0; i < table.head.size(); ++i) {
    absl::StrAppend(&html, "<th scope=\"col\"", kind(i), ">", Escape(table.head[i]), "</th>");
  }
  html += "</tr></thead><tbody>";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) absl::StrAppend(&html, "<td", kind(i), ">", Escape(row[i]), "</td>");
    html += "</tr>";
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace msq::bench

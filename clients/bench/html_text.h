// Text inside a page: escaped, so that no name can become markup; and tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace msq::bench {

// For element contents and for attributes in double quotes.
std::string Escape(std::string_view text);

struct HtmlTable {
  std::vector<std::string> head = {};               // plain text
  std::vector<std::vector<std::string>> rows = {};  // plain text
  size_t text_columns = 1;                          // the first so many are text, the others figures
};
// Scrolls sideways where the screen is narrow.
std::string ToHtml(const HtmlTable& table);

}  // namespace msq::bench

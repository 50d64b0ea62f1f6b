// The forms that results take. Each shows what was measured and nothing else.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "clients/bench/results.h"

namespace msq::bench {

// For the terminal: the head of the table, and one line a row.
std::string TextHead(bool open_loop);
std::string TextRow(const Row& row);
// "85303 answers compared, 0 differ", or that none was.
std::string TextVerdict(const Results& results);

// docs/load_tests.md lists the keys. What was not measured is null.
nlohmann::json ToJson(const Results& results);
// One line a row, under a line of names. What was not measured is empty.
std::string ToCsv(const Results& results);
// One self-contained page.
std::string ToHtml(const Results& results);

}  // namespace msq::bench

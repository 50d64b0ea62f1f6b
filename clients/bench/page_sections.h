// The parts of a report's page that hold plots, each with the table under it. A part without data says so.
#pragma once

#include <string>

#include "clients/bench/results.h"

namespace msq::bench {

// The colour of a backend: its place among those that were asked for; any other one follows.
int ColourOf(const Results& results, const std::string& backend);
// The row of a backend with the most images per second, of those that reached their rate; null when there is none.
const Row* BestRow(const Results& results, const std::string& backend);

std::string ThroughputSection(const Results& results);
std::string DistributionSection(const Results& results);
std::string EfficiencySection(const Results& results);
std::string PhaseSection(const Results& results);
std::string PowerSection(const Results& results);

}  // namespace msq::bench

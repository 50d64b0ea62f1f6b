// What a report says of the machine that the load came from, as far as the system tells it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace msq::bench {

// (what, value): processor, operating system, load before the measurement.
std::vector<std::pair<std::string, std::string>> MachineFacts();

// How this program was called, for a shell: its name without the folder, and its arguments.
std::string CommandLine();

// Non-empty when other programs keep this machine busy: a sentence that says how much.
std::string BusyNote();

}  // namespace msq::bench

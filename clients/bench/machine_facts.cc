#include "clients/bench/machine_facts.h"

#include <sys/utsname.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace msq::bench {
namespace {

// Those that no shell minds.
constexpr char kPlainCharacters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";

// The first "model name" of /proc/cpuinfo; on ARM, whose kernel tells none, the machine's name or the architecture's.
std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  std::ifstream board("/proc/device-tree/model");
  if (std::getline(board, line, '\0') && !line.empty()) return line;
  utsname system{};
  return uname(&system) == 0 ? system.machine : "unknown";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> MachineFacts() {
  std::vector<std::pair<std::string, std::string>> facts;
  facts.emplace_back("Client's processor",
                     absl::StrCat(ProcessorName(), ", ", std::thread::hardware_concurrency(), " logical processors"));
  utsname system{};
  if (uname(&system) == 0) {
    facts.emplace_back("Client's system", absl::StrCat(system.sysname, " ", system.release, ", ", system.machine));
  }
  double load = 0;
  if (getloadavg(&load, 1) == 1) facts.emplace_back("Client's load before", absl::StrFormat("%.2f", load));
  return facts;
}

std::string CommandLine() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string line, argument;
  while (std::getline(file, argument, '\0')) {
    if (line.empty()) {
      line = argument.substr(argument.rfind('/') + 1);  // npos + 1 is 0
      continue;
    }
    const bool plain = !argument.empty() && argument.find_first_not_of(kPlainCharacters) == std::string::npos;
    if (!plain) argument = absl::StrCat("'", absl::StrReplaceAll(argument, {{"'", "'\\''"}}), "'");
    absl::StrAppend(&line, " ", argument);
  }
  return line;
}

std::string BusyNote() {
  double load = 0;
  const unsigned processors = std::thread::hardware_concurrency();
  if (getloadavg(&load, 1) != 1 || processors == 0 || load < 0.5 * processors) return "";
  return absl::StrFormat(
      "the machine that the load came from was busy before the measurement (load %.1f on %d processors): other "
      "programs "
      "have their part in these figures",
      load, processors);
}

}  // namespace msq::bench

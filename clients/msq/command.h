// The subcommands of `msq`: each adds its options to the command line and, when chosen, leaves what to run in `*run`.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "clients/cpp/client.h"

namespace msq::client {

using Run = std::function<absl::Status()>;

// CLI::Range, but nan is in no range.
inline CLI::Validator NumberBetween(double least, double largest) {
  const std::string range = absl::StrCat("[", least, " - ", largest, "]");
  return CLI::Validator(
      [least, largest, range](const std::string& text) {
        double number = 0;
        if (absl::SimpleAtod(text, &number) && number >= least && number <= largest) return std::string();
        return absl::StrCat("'", text, "' is not a number in ", range);
      },
      range);
}

constexpr double kDaySeconds = 86400;

// What every subcommand takes.
struct CommonOptions {
  std::string url = "127.0.0.1:8001";
  double timeout_seconds = 60;
  bool json = false;
};

inline void AddCommonOptions(CLI::App* command, CommonOptions* options) {
  command->add_option("--url", options->url, "HOST:PORT of the server's gRPC endpoint")->capture_default_str();
  command->add_option("--timeout-seconds", options->timeout_seconds, "longest that one call may take")
      ->capture_default_str()
      ->check(NumberBetween(0.001, kDaySeconds));
  command->add_flag("--json", options->json, "print JSON");
}

inline absl::StatusOr<std::unique_ptr<Client>> Connect(const CommonOptions& options) {
  return Client::Connect(options.url, absl::Seconds(5), absl::Seconds(options.timeout_seconds));
}

// The one way out for JSON. Bytes that are no UTF-8 (file names, for one) are replaced: the library would throw.
inline void PrintJson(const nlohmann::json& document) {
  std::printf("%s\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

void AddBenchCommand(CLI::App* app, Run* run);
void AddInferCommand(CLI::App* app, Run* run);
void AddEvalCommand(CLI::App* app, Run* run);
void AddModelsCommand(CLI::App* app, Run* run);
void AddStatusCommand(CLI::App* app, Run* run);

}  // namespace msq::client

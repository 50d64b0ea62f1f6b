// msq: the command line of MSQ Serve's clients.
#include <cstdio>
#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

#include "base/status.h"
#include "clients/msq/command.h"

int main(int argc, char** argv) {
  setenv("GRPC_VERBOSITY", "NONE", 0);  // errors are told once, by us
  msq::client::Run run;
  CLI::App app("Client of an MSQ inference server");
  app.require_subcommand(1);
  msq::client::AddInferCommand(&app, &run);
  msq::client::AddEvalCommand(&app, &run);
  msq::client::AddBenchCommand(&app, &run);
  msq::client::AddModelsCommand(&app, &run);
  msq::client::AddStatusCommand(&app, &run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::Status status = run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "msq: %s\n", std::string(msq::Message(status)).c_str());
  return 1;
}

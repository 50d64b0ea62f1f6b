// msq status: is the server there and ready? Fails when it is not, so that scripts can wait for it.
#include <cstdio>

#include "base/status.h"
#include "clients/msq/command.h"

namespace msq::client {
namespace {

absl::Status Status(const CommonOptions& options) {
  MSQ_ASSIGN_OR_RETURN(const auto client, Connect(options));
  MSQ_ASSIGN_OR_RETURN(const bool live, client->ServerLive());
  MSQ_ASSIGN_OR_RETURN(const bool ready, client->ServerReady());
  MSQ_ASSIGN_OR_RETURN(const auto metadata, client->ServerMetadata());
  MSQ_ASSIGN_OR_RETURN(const auto index, client->RepositoryIndex());
  int ready_models = 0;
  for (const auto& model : index.models()) ready_models += model.state() == "READY";
  if (options.json) {
    const nlohmann::json document = {
        {"url", options.url}, {"name", metadata.name()},       {"version", metadata.version()}, {"live", live},
        {"ready", ready},     {"models", index.models_size()}, {"models_ready", ready_models}};
    PrintJson(document);
  } else {
    std::printf("%s %s at %s: %s, %s, %d of %d models ready\n", metadata.name().c_str(), metadata.version().c_str(),
                options.url.c_str(), live ? "live" : "not live", ready ? "ready" : "not ready", ready_models,
                index.models_size());
  }
  return ready ? absl::OkStatus() : Unavailable(options.url, ": the server is not ready; see `msq models`");
}

}  // namespace

void AddStatusCommand(CLI::App* app, Run* run) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command = app->add_subcommand("status", "Say whether the server is ready; exit 1 when it is not");
  AddCommonOptions(command, options.get());
  command->callback([options, run] { *run = [options] { return Status(*options); }; });
}

}  // namespace msq::client

// msq models: what the server's repository holds.
#include <algorithm>
#include <cstdio>

#include "absl/strings/str_join.h"
#include "base/status.h"
#include "clients/msq/command.h"

namespace msq::client {
namespace {

using TensorMetadata = inference::ModelMetadataResponse::TensorMetadata;

nlohmann::json TensorJson(const TensorMetadata& tensor) {
  return {{"name", tensor.name()},
          {"datatype", tensor.datatype()},
          {"shape", std::vector<int64_t>(tensor.shape().begin(), tensor.shape().end())}};
}

std::string TensorText(const google::protobuf::RepeatedPtrField<TensorMetadata>& tensors) {
  return absl::StrJoin(tensors, ", ", [](std::string* out, const TensorMetadata& tensor) {
    absl::StrAppend(out, tensor.name(), " ", tensor.datatype(), " [", absl::StrJoin(tensor.shape(), ","), "]");
  });
}

absl::Status Models(const CommonOptions& options) {
  MSQ_ASSIGN_OR_RETURN(const auto client, Connect(options));
  MSQ_ASSIGN_OR_RETURN(const auto index, client->RepositoryIndex());
  nlohmann::json models = nlohmann::json::array();
  size_t width = 5;
  for (const auto& model : index.models()) width = std::max(width, model.name().size());
  const int columns = static_cast<int>(width);
  if (!options.json) std::printf("%-*s  %-7s  %-11s  %s\n", columns, "MODEL", "VERSION", "STATE", "INPUTS -> OUTPUTS");
  for (const auto& model : index.models()) {
    nlohmann::json row = {{"name", model.name()}, {"version", model.version()}, {"state", model.state()}};
    std::string text = model.reason();
    if (model.state() == "READY") {
      MSQ_ASSIGN_OR_RETURN(const auto metadata, client->ModelMetadata(model.name(), model.version()));
      for (const auto& tensor : metadata.inputs()) row["inputs"].push_back(TensorJson(tensor));
      for (const auto& tensor : metadata.outputs()) row["outputs"].push_back(TensorJson(tensor));
      text = TensorText(metadata.inputs()) + " -> " + TensorText(metadata.outputs());
    } else {
      row["reason"] = model.reason();
    }
    models.push_back(std::move(row));
    if (options.json) continue;
    const std::string version = model.version().empty() ? "-" : model.version();
    std::printf("%-*s  %-7s  %-11s  %s\n", columns, model.name().c_str(), version.c_str(), model.state().c_str(),
                text.c_str());
  }
  if (options.json) PrintJson({{"models", models}});
  return absl::OkStatus();
}

}  // namespace

void AddModelsCommand(CLI::App* app, Run* run) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command = app->add_subcommand("models", "List the server's models");
  AddCommonOptions(command, options.get());
  command->callback([options, run] { *run = [options] { return Models(*options); }; });
}

}  // namespace msq::client

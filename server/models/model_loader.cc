#include "server/models/model_loader.h"

#include <filesystem>
#include <new>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "server/models/config_checks.h"
#include "server/models/model_config.h"
#include "server/models/model_folder.h"
#include "server/models/warm_up.h"

namespace msq::server {
namespace {

absl::StatusOr<ReadConfigResult> ReadConfig(const std::string& folder, const std::string& name,
                                            const std::string& config_json) {
  if (config_json.empty()) return ReadModelConfig(absl::StrCat(folder, "/", std::string(kConfigName)), name);
  auto result = ParseModelConfigJson(config_json, name);
  if (!result.ok()) return WithContext(result.status(), "parameter 'config'");
  return result;
}

absl::StatusOr<std::shared_ptr<const ServedModel>> Load(const LoadPlan& plan, int64_t version,
                                                        const ModelRuntime& runtime, const std::atomic<bool>& stop) {
  MSQ_ASSIGN_OR_RETURN(auto model, ServedModel::Load({plan.folder, version, plan.config, plan.files}, runtime));
  MSQ_RETURN_IF_ERROR(CheckTensors(plan.config, model->description()));
  MSQ_RETURN_IF_ERROR(WarmUp(*model, plan.folder, stop));
  return model;
}

}  // namespace

absl::StatusOr<LoadPlan> PlanLoad(const std::string& folder, const std::string& name, const std::string& config_json,
                                  std::map<std::string, std::string> files) {
  std::error_code error;
  if (files.empty() && !std::filesystem::is_directory(folder, error)) return NotFound(folder, ": is no folder");
  MSQ_ASSIGN_OR_RETURN(ReadConfigResult config, ReadConfig(folder, name, config_json));
  for (const std::string& warning : config.warnings) LogWarning("model '", name, "': configuration: ", warning);
  std::vector<int64_t> versions;
  if (files.empty()) {
    MSQ_ASSIGN_OR_RETURN(versions, ListVersions(folder));
  }
  for (const auto& [path, content] : files) {
    versions.push_back(ParseVersion(path.substr(0, path.find('/'))));
    if (versions.back() == 0) return InvalidArgument("file '", path, "' is in no version's folder");
  }
  std::vector<int64_t> missing;
  versions = ChooseVersions(config.config.version_policy(), std::move(versions), &missing);
  for (int64_t version : missing) {
    LogWarning("model '", name, "': version_policy asks for version ", version, ", which is not there");
  }
  if (versions.empty()) return NotFound(folder, ": has no version to serve");
  return LoadPlan{folder, std::move(config.config), std::move(versions), std::move(files)};
}

absl::StatusOr<std::shared_ptr<const ServedModel>> LoadVersion(const LoadPlan& plan, int64_t version,
                                                               const ModelRuntime& runtime,
                                                               const std::atomic<bool>& stop) {
  if (stop) return Unavailable("the server is shutting down");
  try {
    return Load(plan, version, runtime, stop);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory: the model needs more than there is");
  }
}

}  // namespace msq::server

#include "server/models/model_repository.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/log.h"
#include "base/status.h"
#include "server/models/model_config.h"
#include "server/protocol/reason.h"

namespace msq::server {
namespace {

namespace fs = std::filesystem;

// The positive integer that `text` spells in the one usual way, or 0.
int64_t ParseVersion(const std::string& text) {
  int64_t version = 0;
  if (!absl::SimpleAtoi(text, &version) || version <= 0 || std::to_string(version) != text) return 0;
  return version;
}

// Names go into messages, metric labels and protobuf strings.
bool IsModelName(const std::string& name) {
  return std::all_of(name.begin(), name.end(), [](unsigned char c) { return absl::ascii_isprint(c); });
}

// Names of the folders in `path`, sorted. Hidden ones are left out.
absl::StatusOr<std::vector<std::string>> ListFolders(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(path, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::string name = it->path().filename().string();
    std::error_code ignored;
    if (name[0] != '.' && it->is_directory(ignored)) names.push_back(std::move(name));
  }
  if (error) return NotFound(path.string(), ": ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

// Fills entries_ model by model.
struct ModelRepository::Loader {
  const BackendRegistry& registry;
  const PrepareOptions& options;
  Metrics* metrics;
  std::vector<Entry>* entries;

  void Fail(const std::string& name, const std::string& version, const absl::Status& status) {
    LogError("model '", name, "'", version.empty() ? "" : " version ", version, " is not served: ", status.ToString());
    metrics->SetModelReady(name, version, false);
    entries->push_back({name, version, status, nullptr});
  }

  void LoadModel(const fs::path& folder, const std::string& name) {
    auto config = ReadModelConfig((folder / "config.pbtxt").string(), name);
    if (!config.ok()) return Fail(name, "", config.status());
    for (const std::string& warning : config->warnings) LogWarning("model '", name, "': config.pbtxt: ", warning);
    auto folders = ListFolders(folder);
    if (!folders.ok()) return Fail(name, "", folders.status());
    std::vector<int64_t> versions;
    for (const std::string& text : *folders) {
      if (const int64_t version = ParseVersion(text); version > 0) versions.push_back(version);
    }
    versions = ChooseVersions(config->config.version_policy(), std::move(versions));
    if (versions.empty()) return Fail(name, "", NotFound(folder.string(), ": has no version to serve"));
    for (int64_t version : versions) LoadVersion(folder, name, version, config->config);
  }

  void LoadVersion(const fs::path& folder, const std::string& name, int64_t version,
                   const inference::ModelConfig& config) {
    const std::string text = std::to_string(version);
    const fs::path file = folder / text / "model.msq";
    std::error_code error;
    if (!fs::is_regular_file(file, error)) return Fail(name, text, NotFound(file.string(), ": is no file"));
    auto model = ServedModel::Load(file.string(), version, config, registry, options, metrics);
    if (!model.ok()) return Fail(name, text, model.status());
    LogInfo("model '", name, "' version ", text, " is ready on ", (*model)->default_backend().name);
    metrics->SetModelReady(name, text, true);
    entries->push_back({name, text, absl::OkStatus(), *std::move(model)});
  }
};

absl::StatusOr<std::unique_ptr<ModelRepository>> ModelRepository::Open(const std::string& path,
                                                                       const BackendRegistry& registry,
                                                                       const PrepareOptions& options,
                                                                       Metrics* metrics) {
  auto names = ListFolders(path);
  if (!names.ok()) return WithContext(names.status(), "model repository");
  std::unique_ptr<ModelRepository> repository(new ModelRepository);
  Loader loader{registry, options, metrics, &repository->entries_};
  for (const std::string& name : *names) {
    if (IsModelName(name)) {
      loader.LoadModel(fs::path(path) / name, name);
    } else {
      LogWarning("model repository: a folder is passed over whose name is not printable ASCII");
    }
  }
  if (repository->entries_.empty()) LogWarning("model repository ", path, " holds no model");
  return repository;
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelRepository::Find(const std::string& name,
                                                                         const std::string& version) const {
  if (!version.empty() && ParseVersion(version) == 0) {
    return InvalidArgument("failed to get model '", name, "': version '", version,
                           "' is not valid, the version should be an integral value > 0");
  }
  const Entry* found = nullptr;
  bool known = false;
  for (const Entry& entry : entries_) {
    if (entry.name != name) continue;
    known = true;
    if (version.empty() ? entry.model != nullptr : entry.version == version) found = &entry;
  }
  if (!known) return NotFound("Request for unknown model: '", name, "' is not found");
  if (found == nullptr && version.empty()) {
    return NotFound("Request for unknown model: '", name, "' has no available versions");
  }
  if (found == nullptr) return NotFound("Request for unknown model: '", name, "' version ", version, " is not found");
  if (found->model == nullptr) {
    return WithReason(Unavailable("Request for model '", name, "': version ", version, " is not at ready state"),
                      kModelNotReady);
  }
  return found->model;
}

std::vector<std::string> ModelRepository::ReadyVersions(const std::string& name) const {
  std::vector<std::string> versions;
  for (const Entry& entry : entries_) {
    if (entry.name == name && entry.model != nullptr) versions.push_back(entry.version);
  }
  return versions;
}

bool ModelRepository::AllReady() const {
  return std::all_of(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.model != nullptr; });
}

}  // namespace msq::server

#include "server/models/model_table.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "server/models/model_folder.h"
#include "server/protocol/reason.h"

namespace msq::server {
namespace {

using ModelPtr = std::shared_ptr<const ServedModel>;

constexpr char kUnloadedReason[] = "unloaded";

absl::Status NotAtReadyState(const std::string& name, const std::string& version, const char* why) {
  return WithReason(Unavailable("Request for model '", name, "': version ", version, " is not at ready state", why),
                    kModelNotReady);
}

std::string StaysReason(std::string_view failure) {
  return absl::StrCat("ready as before; the last load failed: ", std::string(failure));
}

template <typename Versions>
auto FindVersion(Versions& versions, int64_t number) {
  return std::find_if(versions.begin(), versions.end(), [&](const auto& v) { return v.number == number; });
}

}  // namespace

// Every request passes here: nothing is built unless it fails.
absl::StatusOr<ModelPtr> ModelTable::Find(const std::string& name, const std::string& version) const {
  {
    std::shared_lock lock(mutex_);
    if (const auto it = models_.find(name); it != models_.end()) {
      if (version.empty() && it->second.newest != nullptr) return it->second.newest;
      for (const Version& one : it->second.versions) {
        if (one.model != nullptr && one.text == version) return one.model;
      }
    }
  }
  return NotReady(name, version);
}

absl::Status ModelTable::NotReady(const std::string& name, const std::string& version) const {
  if (!version.empty() && ParseVersion(version) == 0) {
    return InvalidArgument("failed to get model version from specified version string '", version, "' of model '", name,
                           "': the version should be an integral value > 0");
  }
  const Model model = Get(name);
  if (model.versions.empty()) return NotFound("Request for unknown model: '", name, "' is not found");
  for (const Version& one : model.versions) {
    const bool loading = one.state == State::kLoading;
    if (version.empty() ? !loading : one.text != version) continue;
    const bool unloading = one.state == State::kUnloaded && !one.retired.expired();
    return NotAtReadyState(name, one.text,
                           loading     ? ": it is being loaded"
                           : unloading ? ": it is being unloaded"
                                       : "");
  }
  if (version.empty()) return NotFound("Request for unknown model: '", name, "' has no available versions");
  return NotFound("Request for unknown model: '", name, "' version ", version, " is not found");
}

std::vector<ModelPtr> ModelTable::ReadyModels(const std::string& name) const {
  std::shared_lock lock(mutex_);
  std::vector<ModelPtr> ready;
  const auto add = [&ready](const Model& model) {
    for (const Version& version : model.versions) {
      if (version.model != nullptr) ready.push_back(version.model);
    }
  };
  if (name.empty()) {
    for (const auto& [each, model] : models_) add(model);
  } else if (const auto it = models_.find(name); it != models_.end()) {
    add(it->second);
  }
  return ready;
}

bool ModelTable::AllReady() const {
  std::shared_lock lock(mutex_);
  return std::all_of(models_.begin(), models_.end(), [](const auto& entry) {
    const auto& versions = entry.second.versions;
    return std::none_of(versions.begin(), versions.end(), [](const Version& version) { return version.awaited(); });
  });
}

std::vector<ModelRepository::Entry> ModelTable::Index() const {
  using Told = ModelRepository::State;
  std::shared_lock lock(mutex_);
  std::vector<ModelRepository::Entry> entries;
  for (const auto& [name, model] : models_) {
    for (const Version& version : model.versions) {
      Told state = Told::kUnavailable;
      if (version.state == State::kReady) state = Told::kReady;
      if (version.state == State::kLoading) state = Told::kLoading;
      if (version.state == State::kUnloaded && !version.retired.expired()) state = Told::kUnloading;
      std::string reason = version.reason;
      if (version.state == State::kReady && !version.model->ready()) {
        state = Told::kUnavailable;
        reason = "every device of its backends is out of service";
      }
      entries.push_back({name, version.text, state, std::move(reason), version.awaited()});
    }
  }
  return entries;
}

bool ModelTable::Has(const std::string& name) const {
  std::shared_lock lock(mutex_);
  return models_.count(name) > 0;
}

bool ModelTable::IsReady(const std::string& name) const {
  return Get(name).newest != nullptr;
}

void ModelTable::Expect(const std::string& name) {
  Model next;
  next.expected = true;
  next.versions.push_back({.state = State::kLoading, .expected = true});
  Replace(name, std::move(next));
}

void ModelTable::StartLoading(const std::string& name, const std::vector<int64_t>& versions) {
  Model next = Get(name);
  const bool expected = next.expected && next.newest == nullptr;
  std::erase_if(next.versions, [](const Version& version) { return version.model == nullptr; });
  for (int64_t number : versions) {
    if (FindVersion(next.versions, number) != next.versions.end()) continue;
    next.versions.push_back({number, std::to_string(number), State::kLoading, "", expected});
  }
  Replace(name, std::move(next));
}

void ModelTable::Publish(const std::string& name, std::vector<Loaded> loaded) {
  Model next = Get(name);
  const auto failure = std::find_if(loaded.begin(), loaded.end(), [](const Loaded& l) { return !l.model.ok(); });
  const bool stay = next.newest != nullptr && failure != loaded.end();
  std::erase_if(next.versions, [&](const Version& version) { return !stay || version.model == nullptr; });
  for (Version& version : next.versions) version.reason = StaysReason(Message(failure->model.status()));
  for (Loaded& one : loaded) {
    Version version{one.version, std::to_string(one.version), State::kReady};
    if (!one.model.ok()) {
      version.state = State::kFailed;
      version.reason = std::string(Message(one.model.status()));
      version.expected = next.expected && !stay;
    } else {
      version.model = *std::move(one.model);
    }
    const bool wanted =
        !stay || (version.model == nullptr && FindVersion(next.versions, one.version) == next.versions.end());
    if (wanted) next.versions.push_back(std::move(version));
  }
  Replace(name, std::move(next));
}

void ModelTable::Fail(const std::string& name, const absl::Status& status) {
  Model next = Get(name);
  const std::string failure(Message(status));
  std::erase_if(next.versions, [](const Version& version) { return version.model == nullptr; });
  for (Version& version : next.versions) version.reason = StaysReason(failure);
  if (next.versions.empty()) {
    next.versions.push_back({.state = State::kFailed, .reason = failure, .expected = next.expected});
  }
  Replace(name, std::move(next));
}

void ModelTable::Unload(const std::string& name) {
  Model next = Get(name);
  next.expected = false;
  std::erase_if(next.versions, [](const Version& v) { return v.model == nullptr && v.state != State::kUnloaded; });
  for (Version& version : next.versions) {
    if (version.model == nullptr) continue;
    version = {version.number, version.text, State::kUnloaded, kUnloadedReason, false, nullptr, version.model};
  }
  if (next.versions.empty()) next.versions.push_back({.state = State::kUnloaded, .reason = kUnloadedReason});
  Replace(name, std::move(next));
}

void ModelTable::Remove(const std::string& name) {
  Replace(name, {});
}

ModelTable::Model ModelTable::Get(const std::string& name) const {
  std::shared_lock lock(mutex_);
  const auto it = models_.find(name);
  return it == models_.end() ? Model{} : it->second;
}

// A model without versions is none.
void ModelTable::Replace(const std::string& name, Model next) {
  std::sort(next.versions.begin(), next.versions.end(),
            [](const Version& a, const Version& b) { return a.number < b.number; });
  next.newest = nullptr;
  for (const Version& version : next.versions) {
    if (version.model != nullptr) next.newest = version.model;
  }
  const Model after = next;
  Model before;
  {
    std::lock_guard lock(mutex_);
    Model& model = models_[name];
    before = std::exchange(model, std::move(next));
    if (model.versions.empty()) models_.erase(name);
  }
  UpdateSeries(name, before, after);
  for (const Version& version : after.versions) {
    const auto was = FindVersion(before.versions, version.number);
    const bool is_new = version.model != nullptr && (was == before.versions.end() || was->model != version.model);
    if (is_new)
      LogInfo("model '", name, "' version ", version.text, " is ready on ", version.model->backends().front());
  }
  for (const Version& version : before.versions) {
    const auto is = FindVersion(after.versions, version.number);
    const bool gone = version.model != nullptr && (is == after.versions.end() || is->model != version.model);
    if (gone) version.model->Drain();
  }
}

void ModelTable::UpdateSeries(const std::string& name, const Model& before, const Model& after) {
  const auto has_series = [](const Version& version) { return version.state != State::kUnloaded; };
  for (const Version& version : before.versions) {
    const auto is = FindVersion(after.versions, version.number);
    const bool stays = is != after.versions.end() && has_series(*is);
    if (has_series(version) && !stays) metrics_->ForgetModel(name, version.text);
  }
  for (const Version& version : after.versions) {
    if (!has_series(version)) continue;
    const bool ready = version.model != nullptr;
    metrics_->SetModelReady(name, version.text, ready ? std::optional(version.model->load_time()) : std::nullopt);
  }
}

}  // namespace msq::server

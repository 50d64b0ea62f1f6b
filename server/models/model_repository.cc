#include "server/models/model_repository.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/log.h"
#include "base/status.h"
#include "server/models/load_queue.h"
#include "server/models/model_folder.h"
#include "server/models/model_loader.h"
#include "server/models/model_table.h"
#include "server/protocol/reason.h"

namespace msq::server {
namespace {

constexpr int kLoaderThreads = 2;
constexpr int kMaxWaitingLoads = 128;
constexpr int64_t kMaxWaitingBytes = int64_t{1} << 30;  // of the files that waiting loads bring; one load always may

std::string Quoted(const std::string& name) {
  return absl::StrCat("'", absl::CEscape(name), "'");
}

absl::Status NoName(const char* verb, const std::string& name) {
  return InvalidArgument("failed to ", verb, " ", Quoted(name),
                         ": a model's name is 1 to 255 printable ASCII characters ",
                         "without '/', and does not begin with '.'");
}

// What a load that failed tells its caller.
absl::Status LoadFailure(const std::string& name, const absl::Status& status) {
  if (absl::IsNotFound(status)) {
    return absl::InternalError(
        absl::StrCat("failed to load '", name, "', failed to poll from model repository: ", status.message()));
  }
  const auto code = absl::IsInvalidArgument(status) ? status.code() : absl::StatusCode::kInternal;
  return {code, absl::StrCat("failed to load '", name, "': ", status.message())};
}

absl::Status VersionFailure(int64_t version, const absl::Status& status) {
  const auto code = absl::IsNotFound(status) ? absl::StatusCode::kInternal : status.code();
  return {code, absl::StrCat("version ", version, ": ", status.message())};
}

}  // namespace

class ModelRepository::Impl {
 public:
  Impl(const Options& options, const ModelRuntime& runtime)
      : options_(options), runtime_(runtime), table_(runtime.metrics), queue_(kLoaderThreads) {}

  ~Impl() {
    StopLoading();
    if (poller_.joinable()) poller_.join();
  }

  void StopLoading() {
    {
      std::lock_guard lock(stop_mutex_);
      stopping_ = true;
    }
    stop_changed_.notify_all();
  }

  absl::Status Start() {
    auto names = ListFolders(options_.path);
    if (!names.ok()) return WithContext(names.status(), "model repository");
    if (options_.mode == Mode::kExplicit) {
      MSQ_ASSIGN_OR_RETURN(*names, StartupModels(*names));
    }
    std::vector<std::future<void>> loads;
    for (const std::string& name : *names) {
      if (!IsModelName(name)) {
        LogWarning("model repository: a folder is passed over whose name is no model's: ", Quoted(name));
        continue;
      }
      table_.Expect(name);
      stamps_[name] = StampOf(FolderOf(name));
      loads.push_back(Run(name, [this, name] { LoadNow(name, {}).IgnoreError(); }));
    }
    for (const auto& load : loads) load.wait();
    if (loads.empty()) LogWarning("model repository ", options_.path, ": no model is loaded");
    if (options_.mode == Mode::kPoll) poller_ = std::thread([this] { PollForEver(); });
    return absl::OkStatus();
  }

  void Load(const std::string& name, LoadRequest request, Done done) {
    if (absl::Status status = MayControl(); !status.ok()) return done(status);
    if (!IsModelName(name)) return done(NoName("load", name));
    int64_t bytes = 0;
    for (const auto& [path, content] : request.files) bytes += static_cast<int64_t>(content.size());
    const int64_t waiting_bytes = waiting_bytes_.fetch_add(bytes);
    if (++waiting_loads_ > kMaxWaitingLoads || (waiting_bytes > 0 && waiting_bytes + bytes > kMaxWaitingBytes)) {
      EndWait(bytes);
      return done(WithReason(Unavailable("failed to load '", name, "': too many loads wait"), kQueueFull));
    }
    auto held = std::make_shared<LoadRequest>(std::move(request));
    Run(name, [this, name, bytes, held, done = std::move(done)] {
      const absl::Status status = stopping_ ? ShuttingDown() : LoadNow(name, std::move(*held));
      EndWait(bytes);
      done(status);
    });
  }

  void Unload(const std::string& name, Done done) {
    if (absl::Status status = MayControl(); !status.ok()) return done(status);
    if (!IsModelName(name)) return done(NoName("unload", name));
    if (++waiting_loads_ > kMaxWaitingLoads) {
      EndWait(0);
      return done(WithReason(Unavailable("failed to unload '", name, "': too many loads wait"), kQueueFull));
    }
    Run(name, [this, name, done = std::move(done)] {
      const absl::Status status = stopping_ ? ShuttingDown() : UnloadNow(name);
      EndWait(0);
      done(status);
    });
  }

  // What changed in the folder since the last look is loaded and unloaded.
  std::vector<std::future<void>> Scan() {
    std::lock_guard lock(scan_mutex_);
    std::vector<std::future<void>> changes;
    const auto names = ListFolders(options_.path);
    if (!names.ok()) {
      LogError("model repository: ", names.status().ToString(), "; its models stay as they are");
      return changes;
    }
    std::map<std::string, FolderStamp> stamps;
    for (const std::string& name : *names) {
      if (!IsModelName(name)) continue;
      FolderStamp& stamp = stamps[name] = StampOf(FolderOf(name));
      const auto known = stamps_.find(name);
      if (known != stamps_.end() && known->second == stamp) continue;
      changes.push_back(Run(name, [this, name] {
        if (!stopping_) LoadNow(name, {}).IgnoreError();
      }));
    }
    for (const auto& [name, stamp] : stamps_) {
      if (stamps.count(name) > 0) continue;
      changes.push_back(Run(name, [this, name = name] {
        LogInfo("model '", name, "' is gone from the repository");
        table_.Remove(name);
        Tell(name);
      }));
    }
    stamps_ = std::move(stamps);
    return changes;
  }

  // Behind every load that is under way or waits, whoever found that it was due: a model's tasks run in their order.
  void Poll() {
    std::vector<std::future<void>> pending = Scan();
    {
      std::lock_guard lock(scan_mutex_);
      for (const auto& [name, stamp] : stamps_) pending.push_back(Run(name, [] {}));
    }
    for (const auto& one : pending) one.wait();
  }

  std::vector<Entry> Index() const {
    std::vector<Entry> entries = table_.Index();
    if (options_.mode != Mode::kExplicit) return entries;
    const auto names = ListFolders(options_.path);
    if (!names.ok()) return entries;
    const size_t loaded = entries.size();
    for (const std::string& name : *names) {
      const auto end = entries.begin() + static_cast<ptrdiff_t>(loaded);
      const bool known = std::any_of(entries.begin(), end, [&](const Entry& entry) { return entry.name == name; });
      if (!known && IsModelName(name)) entries.push_back({name, "", State::kUnavailable, "not loaded"});
    }
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
    return entries;
  }

  const ModelTable& table() const { return table_; }

 private:
  std::string FolderOf(const std::string& name) const { return absl::StrCat(options_.path, "/", name); }

  bool HasFolder(const std::string& name) const {
    std::error_code error;
    return std::filesystem::is_directory(FolderOf(name), error);
  }

  absl::Status MayControl() const {
    if (options_.mode == Mode::kExplicit) return absl::OkStatus();
    return Unavailable("explicit model load / unload is not allowed ",
                       options_.mode == Mode::kPoll ? "if polling is enabled" : "if model control is not enabled");
  }

  static absl::Status ShuttingDown() {
    return WithReason(Unavailable("failed to load or unload: the server is shutting down"), kShuttingDown);
  }

  absl::StatusOr<std::vector<std::string>> StartupModels(std::vector<std::string> present) const {
    const auto& wanted = options_.startup_models;
    for (const std::string& name : wanted) {
      if (name == "*") return present;
      if (!IsModelName(name)) return NoName("load", name);
    }
    return wanted;
  }

  // Runs the task in its turn. It must not throw.
  std::future<void> Run(const std::string& name, std::function<void()> task) {
    auto finished = std::make_shared<std::promise<void>>();
    std::future<void> result = finished->get_future();
    queue_.Push(name, [task = std::move(task), finished] {
      task();
      finished->set_value();
    });
    return result;
  }

  void EndWait(int64_t bytes) {
    waiting_bytes_ -= bytes;
    --waiting_loads_;
  }

  void Tell(const std::string& name) const {
    if (options_.ready_changed) options_.ready_changed(name, table_.IsReady(name));
  }

  absl::Status LoadNow(const std::string& name, LoadRequest request) {
    auto plan = PlanLoad(FolderOf(name), name, request.config, std::move(request.files));
    if (!plan.ok()) {
      LogError("model '", name, "' is not loaded: ", plan.status().ToString());
      // A name that was made up leaves no trace.
      if (!table_.Has(name) && !HasFolder(name)) return LoadFailure(name, plan.status());
      table_.Fail(name, plan.status());
      Tell(name);
      return LoadFailure(name, plan.status());
    }
    table_.StartLoading(name, plan->versions);
    std::vector<ModelTable::Loaded> loaded;
    absl::Status failure;
    for (int64_t version : plan->versions) {
      auto model = LoadVersion(*plan, version, runtime_, stopping_);
      if (!model.ok()) {
        LogError("model '", name, "' version ", version, " is not loaded: ", model.status().ToString());
        if (failure.ok()) failure = VersionFailure(version, model.status());
      }
      loaded.push_back({version, std::move(model)});
    }
    table_.Publish(name, std::move(loaded));
    Tell(name);
    if (failure.ok()) return failure;
    return stopping_ ? ShuttingDown() : LoadFailure(name, failure);
  }

  absl::Status UnloadNow(const std::string& name) {
    if (!table_.Has(name)) {
      if (HasFolder(name)) return absl::OkStatus();
      return NotFound("failed to unload '", name, "': there is no such model");
    }
    if (HasFolder(name)) {
      table_.Unload(name);
    } else {
      table_.Remove(name);
    }
    Tell(name);
    LogInfo("model '", name, "' is unloaded");
    return absl::OkStatus();
  }

  void PollForEver() {
    std::unique_lock lock(stop_mutex_);
    const auto interval = absl::ToChronoNanoseconds(options_.poll_interval);
    while (!stop_changed_.wait_for(lock, interval, [this] { return stopping_.load(); })) {
      lock.unlock();
      Scan();
      lock.lock();
    }
  }

  const Options options_;
  const ModelRuntime runtime_;
  ModelTable table_;

  std::mutex scan_mutex_;
  std::map<std::string, FolderStamp> stamps_;  // of the folders as they were when last loaded, or tried

  std::atomic<int> waiting_loads_{0};  // loads and unloads that were asked for and are not answered
  std::atomic<int64_t> waiting_bytes_{0};
  std::atomic<bool> stopping_{false};
  std::mutex stop_mutex_;
  std::condition_variable stop_changed_;
  std::thread poller_;
  LoadQueue queue_;  // last: its tasks use the rest
};

ModelRepository::ModelRepository(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ModelRepository::~ModelRepository() = default;

absl::StatusOr<std::unique_ptr<ModelRepository>> ModelRepository::Open(const Options& options,
                                                                       const ModelRuntime& runtime) {
  auto impl = std::make_unique<Impl>(options, runtime);
  MSQ_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<ModelRepository>(new ModelRepository(std::move(impl)));
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelRepository::Find(const std::string& name,
                                                                         const std::string& version) const {
  return impl_->table().Find(name, version);
}

std::vector<std::string> ModelRepository::ReadyVersions(const std::string& name) const {
  std::vector<std::string> versions;
  if (name.empty()) return versions;
  for (const auto& model : ReadyModels(name)) versions.push_back(model->version());
  return versions;
}

std::vector<std::shared_ptr<const ServedModel>> ModelRepository::ReadyModels(const std::string& name) const {
  return impl_->table().ReadyModels(name);
}

bool ModelRepository::AllReady() const {
  return impl_->table().AllReady();
}

std::vector<ModelRepository::Entry> ModelRepository::Index() const {
  return impl_->Index();
}

std::vector<ModelRepository::Entry> ModelRepository::Loaded() const {
  return impl_->table().Index();
}

void ModelRepository::StopLoading() {
  impl_->StopLoading();
}
void ModelRepository::Load(const std::string& name, LoadRequest request, Done done) {
  impl_->Load(name, std::move(request), std::move(done));
}

void ModelRepository::Unload(const std::string& name, Done done) {
  impl_->Unload(name, std::move(done));
}

void ModelRepository::Poll() {
  impl_->Poll();
}

const char* StateName(ModelRepository::State state) {
  switch (state) {
    case ModelRepository::State::kReady:
      return "READY";
    case ModelRepository::State::kUnavailable:
      return "UNAVAILABLE";
    case ModelRepository::State::kLoading:
      return "LOADING";
    case ModelRepository::State::kUnloading:
      return "UNLOADING";
  }
  return "UNKNOWN";
}

}  // namespace msq::server

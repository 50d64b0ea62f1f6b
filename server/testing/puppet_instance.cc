#include "server/testing/puppet_instance.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace msq::server::testing {
namespace {

// The ids stand in the messages' `id`.
std::string Ids(std::span<const RequestPtr> batch) {
  return absl::StrJoin(batch, "+", [](std::string* out, const RequestPtr& r) { out->append(r->message->id()); });
}

}  // namespace

void PuppetStrings::Release(const std::string& id) {
  std::lock_guard lock(mutex_);
  released_.push_back(id);
  changed_.notify_all();
}

void PuppetStrings::ReleaseAll() {
  std::lock_guard lock(mutex_);
  all_released_ = true;
  changed_.notify_all();
}

std::vector<std::string> PuppetStrings::AwaitBegun(size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return begun_.size() >= count; });
  return begun_;
}

void PuppetStrings::FailWith(absl::Status status) {
  std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

void PuppetStrings::OnExecute(std::function<void()> action) {
  std::lock_guard lock(mutex_);
  action_ = std::move(action);
}

absl::Status PuppetStrings::Execute(std::span<const RequestPtr> batch) {
  std::unique_lock lock(mutex_);
  begun_.push_back(Ids(batch));
  changed_.notify_all();
  const std::string& first = batch.front()->message->id();
  changed_.wait(
      lock, [&] { return all_released_ || std::find(released_.begin(), released_.end(), first) != released_.end(); });
  const absl::Status status = status_;
  const std::function<void()> action = action_;
  lock.unlock();
  if (action) action();
  return status;
}

void RecordingListener::OnBatch(Batch batch, const absl::Status& status) {
  Record(status.ok() ? Ids(batch.requests)
                     : absl::StrCat(Ids(batch.requests), ": ", absl::StatusCodeToString(status.code())));
}

void RecordingListener::OnDrop(DroppedRequest dropped) {
  Record(absl::StrCat(dropped.request->message->id(), ": ", absl::StatusCodeToString(dropped.status.code())));
}

std::vector<std::string> RecordingListener::Await(size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return entries_.size() >= count; });
  return entries_;
}

void RecordingListener::Record(std::string entry) {
  std::lock_guard lock(mutex_);
  entries_.push_back(std::move(entry));
  changed_.notify_all();
}

}  // namespace msq::server::testing

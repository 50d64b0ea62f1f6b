#include "server/engine/response_cache.h"

#include <utility>

namespace msq::server {
namespace {

// List node, hash node and bucket, control block: about, and at least.
constexpr int64_t kEntryOverheadBytes = 256;

// About what an answer takes. Protobuf's own SpaceUsedLong asks by reflection, which is slow, and which reads map fields
// at the wrong place when only this side of the library is compiled for ThreadSanitizer.
int64_t MemoryBytes(const inference::ModelInferResponse& response) {
  const size_t outputs = static_cast<size_t>(response.outputs_size());
  const size_t objects = sizeof(response) + outputs * sizeof(inference::ModelInferResponse::InferOutputTensor);
  return static_cast<int64_t>(objects + response.ByteSizeLong());
}

}  // namespace

void CacheKeyBuilder::Add(std::string_view item) {
  const uint64_t size = item.size();
  hash_.Add({reinterpret_cast<const char*>(&size), sizeof(size)});
  hash_.Add(item);
}

void CacheKeyBuilder::Add(std::span<const std::byte> item) {
  Add(std::string_view(reinterpret_cast<const char*>(item.data()), item.size()));
}

void CacheKeyBuilder::Add(uint64_t item) {
  Add(std::string_view(reinterpret_cast<const char*>(&item), sizeof(item)));
}

std::shared_ptr<const inference::ModelInferResponse> ResponseCache::Lookup(const CacheKey& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    ++statistics_.misses;
    return nullptr;
  }
  ++statistics_.hits;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->response;
}

void ResponseCache::Insert(const CacheKey& key, inference::ModelInferResponse response) {
  Entries fresh, evicted;  // made and freed without the lock
  const int64_t bytes = MemoryBytes(response) + kEntryOverheadBytes;
  if (bytes > max_bytes_) return;
  fresh.push_back({key, std::make_shared<const inference::ModelInferResponse>(std::move(response)), bytes});
  const std::lock_guard lock(mutex_);
  if (!by_key_.try_emplace(key, fresh.begin()).second) return;
  entries_.splice(entries_.begin(), fresh);
  statistics_.bytes += bytes;
  while (statistics_.bytes > max_bytes_) {
    const auto oldest = std::prev(entries_.end());
    statistics_.bytes -= oldest->bytes;
    ++statistics_.evictions;
    by_key_.erase(oldest->key);
    evicted.splice(evicted.begin(), entries_, oldest);
  }
  statistics_.entries = static_cast<int64_t>(entries_.size());
}

ResponseCache::Statistics ResponseCache::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace msq::server

// Answers kept by what was asked. A model's answer is a function of its input's bits, so a cached one is as good as new.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "proto/inference.pb.h"
#include "server/security/sha256.h"

namespace msq::server {

using CacheKey = Sha256Digest;

// A key of everything that an answer depends on. Each Add counts as one item, however its bytes read: ("ab", "c") and
// ("a", "bc") differ. Begin with the generation of the model that answers, so that no answer outlives a reload.
class CacheKeyBuilder {
 public:
  void Add(std::string_view item);
  void Add(std::span<const std::byte> item);
  void Add(uint64_t item);
  // Once, last. Fails only when OpenSSL does; then go without the cache.
  absl::StatusOr<CacheKey> Finish() { return hash_.Finish(); }

 private:
  Sha256 hash_;
};

// Thread-safe. When full it forgets what was not looked up for longest.
class ResponseCache {
 public:
  struct Statistics {
    int64_t hits = 0;
    int64_t misses = 0;
    int64_t evictions = 0;
    int64_t entries = 0;
    int64_t bytes = 0;
  };

  // `max_bytes` counts the messages' memory and what an entry takes beside.
  explicit ResponseCache(int64_t max_bytes) : max_bytes_(max_bytes) {}

  // Null when it is not there. The request's id is not the caller's: answer with a copy that carries the right one.
  std::shared_ptr<const inference::ModelInferResponse> Lookup(const CacheKey& key);

  // An entry that is there already stays; one larger than the whole cache is not kept.
  void Insert(const CacheKey& key, inference::ModelInferResponse response);

  Statistics statistics() const;

 private:
  struct Entry {
    CacheKey key;
    std::shared_ptr<const inference::ModelInferResponse> response;
    int64_t bytes;
  };
  using Entries = std::list<Entry>;
  struct Hash {  // a digest's bits are a hash already
    size_t operator()(const CacheKey& key) const {
      size_t value;
      std::memcpy(&value, key.data(), sizeof(value));
      return value;
    }
  };

  const int64_t max_bytes_;
  mutable std::mutex mutex_;
  Entries entries_;  // the latest used first
  std::unordered_map<CacheKey, Entries::iterator, Hash> by_key_;
  Statistics statistics_;
};

}  // namespace msq::server

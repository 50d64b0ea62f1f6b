// System shared memory that clients registered: tensors are read and written where they lie, without a copy.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace msq::server {

// A region as SystemSharedMemoryStatus tells it.
struct SharedMemoryRegion {
  std::string name;
  std::string key;      // of the POSIX shared memory object
  uint64_t offset = 0;  // in the object, in bytes
  uint64_t byte_size = 0;
};

class SharedMemoryMapping;

// Bytes of a region. They stay mapped while a copy of the span lives, though the region be unregistered. The client may
// write to them at any time: read each byte once, and check what was read.
struct SharedMemorySpan {
  std::span<std::byte> bytes;
  std::shared_ptr<const SharedMemoryMapping> mapping;

  // Whether the client has taken memory away under the region: `bytes` are then zeros of this process, before and behind
  // the cut. Ask after the last access; Check() says it as a status.
  bool broken() const;
  absl::Status Check() const;
};

// Each owner (the name of a token; empty where the server asks for none) has regions and names of its own: others' are
// unknown to it. Thread-safe.
class SharedMemoryRegistry {
 public:
  struct Options {
    int max_regions = 1024;                         // of all owners
    uint64_t max_mapped_bytes = uint64_t{1} << 36;  // those counted in too that only requests hold any more
  };
  explicit SharedMemoryRegistry(const Options& options);

  // Fails with ALREADY_EXISTS for a known name, RESOURCE_EXHAUSTED over a limit, else INVALID_ARGUMENT.
  absl::Status Register(std::string_view owner, const SharedMemoryRegion& region);
  // An unknown name is no error.
  void Unregister(std::string_view owner, std::string_view name);
  void UnregisterAll(std::string_view owner);

  // One region, or all for an empty name, by name. Fails with NOT_FOUND.
  absl::StatusOr<std::vector<SharedMemoryRegion>> Status(std::string_view owner, std::string_view name) const;

  // `offset` counts from the region's begin; a negative number of the wire, cast, is out of bounds. Fails with NOT_FOUND
  // or INVALID_ARGUMENT.
  absl::StatusOr<SharedMemorySpan> Find(std::string_view owner, std::string_view name, uint64_t offset,
                                        uint64_t byte_size) const;

 private:
  using Mappings = std::map<std::string, std::shared_ptr<const SharedMemoryMapping>, std::less<>>;  // by name
  const Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, Mappings, std::less<>> owners_;
  std::shared_ptr<std::atomic<uint64_t>> mapped_bytes_;
};

}  // namespace msq::server

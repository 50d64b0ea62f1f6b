#include "server/protocol/shared_memory.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "base/status.h"
#include "server/protocol/fault_guard.h"

namespace msq::server {
namespace {

// An mmap, and its share of the bytes that are counted. Move-only.
class Pages {
 public:
  Pages(void* begin, size_t size, std::shared_ptr<std::atomic<uint64_t>> mapped_bytes)
      : begin_(begin), size_(size), mapped_bytes_(std::move(mapped_bytes)) {
    *mapped_bytes_ += size_;
  }
  Pages(Pages&& other) noexcept
      : begin_(std::exchange(other.begin_, nullptr)),
        size_(other.size_),
        mapped_bytes_(std::move(other.mapped_bytes_)) {}
  Pages& operator=(Pages&&) = delete;
  ~Pages() {
    if (begin_ == nullptr) return;
    munmap(begin_, size_);
    *mapped_bytes_ -= size_;
  }

  void* begin() const { return begin_; }
  size_t size() const { return size_; }

 private:
  void* begin_;
  size_t size_;
  std::shared_ptr<std::atomic<uint64_t>> mapped_bytes_;
};

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

// The name of an object as POSIX allows it: "/name", or "name", which Linux takes too.
bool IsLegalKey(std::string_view key) {
  if (!key.empty() && key.front() == '/') key.remove_prefix(1);
  return !key.empty() && key.size() <= NAME_MAX && key.find('/') == key.npos && key.find('\0') == key.npos;
}

template <typename... Parts>
absl::Status Refuse(const SharedMemoryRegion& region, const Parts&... parts) {
  return InvalidArgument("failed to register shared memory region '", region.name, "': ", parts...);
}

// Maps the whole pages that the region touches.
absl::StatusOr<Pages> Map(const SharedMemoryRegion& region, uint64_t max_mapped_bytes,
                          const std::shared_ptr<std::atomic<uint64_t>>& mapped_bytes) {
  const File file(shm_open(region.key.c_str(), O_RDWR, 0));
  if (file.descriptor() < 0) {
    return Refuse(region, "Unable to open shared memory region: '", region.key, "': ", strerror(errno));
  }
  struct stat information = {};
  if (fstat(file.descriptor(), &information) != 0 || !S_ISREG(information.st_mode)) {
    return Refuse(region, "'", region.key, "' is no shared memory object");
  }
  const uint64_t object_size = static_cast<uint64_t>(information.st_size);
  if (region.offset > object_size || region.byte_size > object_size - region.offset) {
    return Refuse(region, "offset ", region.offset, " + byte size ", region.byte_size, " is beyond the end of '",
                  region.key, "', which has ", object_size, " bytes");
  }
  const uint64_t lead = region.offset % static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t size = lead + region.byte_size;
  const uint64_t mapped = *mapped_bytes;
  if (mapped > max_mapped_bytes || size > max_mapped_bytes - mapped) {
    return absl::ResourceExhaustedError(absl::StrCat("failed to register shared memory region '", region.name, "' of ",
                                                     region.byte_size, " bytes: ", mapped, " of at most ",
                                                     max_mapped_bytes, " bytes are mapped already"));
  }
  if (size > std::numeric_limits<std::ptrdiff_t>::max()) {
    return Refuse(region, "cannot map it: ", size, " bytes are more than the address space has");
  }
  const auto map_size = static_cast<size_t>(size);
  void* begin = mmap(nullptr, map_size, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor(),
                     static_cast<off_t>(region.offset - lead));
  if (begin == MAP_FAILED) return Refuse(region, "cannot map it: ", strerror(errno));
  return Pages(begin, map_size, mapped_bytes);
}

}  // namespace

// A registered region, unmapped when the registry and the last request let go of it.
class SharedMemoryMapping {
 public:
  SharedMemoryMapping(SharedMemoryRegion region, Pages pages, FaultGuard guard)
      : region_(std::move(region)), pages_(std::move(pages)), guard_(std::move(guard)) {}

  const SharedMemoryRegion& region() const { return region_; }
  bool broken() const { return guard_.broken(); }
  std::span<std::byte> bytes() const {
    const auto size = static_cast<size_t>(region_.byte_size);
    return {static_cast<std::byte*>(pages_.begin()) + (pages_.size() - size), size};
  }
  absl::Status Check() const {
    if (!broken()) return absl::OkStatus();
    return InvalidArgument("shared memory region '", region_.name, "' was truncated, or memory for it ran out");
  }

 private:
  const SharedMemoryRegion region_;
  const Pages pages_;
  const FaultGuard guard_;  // goes before the pages: another mapping may take their address at once
};

bool SharedMemorySpan::broken() const {
  return mapping->broken();
}

absl::Status SharedMemorySpan::Check() const {
  return mapping->Check();
}

SharedMemoryRegistry::SharedMemoryRegistry(const Options& options)
    : options_(options), mapped_bytes_(std::make_shared<std::atomic<uint64_t>>(0)) {}

absl::Status SharedMemoryRegistry::Register(std::string_view owner, const SharedMemoryRegion& region) {
  if (region.name.empty()) return Refuse(region, "a region needs a name");
  if (!IsLegalKey(region.key)) return Refuse(region, "'", region.key, "' is no key of a shared memory object");
  if (region.byte_size == 0) return Refuse(region, "its byte size is 0");
  const std::lock_guard lock(mutex_);
  Mappings& mappings = owners_[std::string(owner)];
  if (mappings.count(region.name) != 0) {
    return absl::AlreadyExistsError(absl::StrCat("shared memory region '", region.name, "' already in manager"));
  }
  size_t registered = 0;
  for (const auto& [one, regions] : owners_) registered += regions.size();
  if (registered >= static_cast<size_t>(options_.max_regions)) {
    return absl::ResourceExhaustedError(absl::StrCat("failed to register shared memory region '", region.name,
                                                     "': ", options_.max_regions, " regions are registered already"));
  }
  MSQ_ASSIGN_OR_RETURN(Pages pages, Map(region, options_.max_mapped_bytes, mapped_bytes_));
  MSQ_ASSIGN_OR_RETURN(FaultGuard guard, FaultGuard::Create(pages.begin(), pages.size()));
  mappings[region.name] = std::make_shared<const SharedMemoryMapping>(region, std::move(pages), std::move(guard));
  return absl::OkStatus();
}

void SharedMemoryRegistry::Unregister(std::string_view owner, std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto owned = owners_.find(owner);
  if (owned == owners_.end()) return;
  if (const auto found = owned->second.find(name); found != owned->second.end()) owned->second.erase(found);
}

void SharedMemoryRegistry::UnregisterAll(std::string_view owner) {
  const std::lock_guard lock(mutex_);
  if (const auto owned = owners_.find(owner); owned != owners_.end()) owners_.erase(owned);
}

absl::StatusOr<std::vector<SharedMemoryRegion>> SharedMemoryRegistry::Status(std::string_view owner,
                                                                             std::string_view name) const {
  const std::lock_guard lock(mutex_);
  std::vector<SharedMemoryRegion> regions;
  if (const auto owned = owners_.find(owner); owned != owners_.end()) {
    for (const auto& [one, mapping] : owned->second) {
      if (name.empty() || name == one) regions.push_back(mapping->region());
    }
  }
  if (regions.empty() && !name.empty()) {
    return NotFound("Unable to find system shared memory region: '", std::string(name), "'");
  }
  return regions;
}

absl::StatusOr<SharedMemorySpan> SharedMemoryRegistry::Find(std::string_view owner, std::string_view name,
                                                            uint64_t offset, uint64_t byte_size) const {
  std::shared_ptr<const SharedMemoryMapping> mapping;
  {
    const std::lock_guard lock(mutex_);
    if (const auto owned = owners_.find(owner); owned != owners_.end()) {
      if (const auto found = owned->second.find(name); found != owned->second.end()) mapping = found->second;
    }
  }
  if (mapping == nullptr) return NotFound("Unable to find shared memory region: '", std::string(name), "'");
  MSQ_RETURN_IF_ERROR(mapping->Check());
  const std::span<std::byte> bytes = mapping->bytes();
  if (offset > bytes.size() || byte_size > bytes.size() - offset) {
    return InvalidArgument("Invalid offset + byte size for shared memory region: '", std::string(name), "'");
  }
  return SharedMemorySpan{bytes.subspan(static_cast<size_t>(offset), static_cast<size_t>(byte_size)),
                          std::move(mapping)};
}

}  // namespace msq::server

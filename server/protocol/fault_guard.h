// Keeps the process alive when a peer truncates an object that is mapped here: the mapping becomes zeros instead.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"

namespace msq::server {

// Guards one mapping while it lives. An access that the kernel answers with SIGBUS (the page lies behind the object's
// end, or memory for it cannot be had) replaces the whole mapping by private zero pages, sets broken() and goes on. A
// SIGBUS anywhere else goes to the handler that was there before. Thread-safe.
class FaultGuard {
 public:
  // Mappings that can be guarded at a time, in the whole process.
  static constexpr int kCapacity = 4096;

  // `begin` and `size` are those of the mmap, which must outlive the guard and be readable and writable. Fails with
  // RESOURCE_EXHAUSTED. The first call installs the signal handler, for good.
  static absl::StatusOr<FaultGuard> Create(void* begin, size_t size);

  FaultGuard(FaultGuard&& other) noexcept;
  FaultGuard& operator=(FaultGuard&&) = delete;
  ~FaultGuard();

  bool broken() const;

 private:
  explicit FaultGuard(int slot) : slot_(slot) {}

  int slot_;  // -1: moved from
};

}  // namespace msq::server

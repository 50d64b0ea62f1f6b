#include "server/protocol/fault_guard.h"

#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>

#include "base/status.h"

namespace msq::server {
namespace {

// What a signal handler may touch: lock-free atomics in static memory, never freed.
struct Slot {
  std::atomic<uintptr_t> begin{0};  // 0: free
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> broken{false};
};
static_assert(std::atomic<uintptr_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

Slot slots[FaultGuard::kCapacity];
std::mutex slots_mutex;  // to take a slot
struct sigaction previous_action;

// Puts zero pages where the guarded mapping that holds `address` is; false when there is none.
bool Repair(uintptr_t address) {
  for (Slot& slot : slots) {
    const uintptr_t begin = slot.begin.load();
    const uintptr_t end = slot.end.load();
    // The slot of the faulting mapping is stable: whoever faulted holds the mapping. Another one may change hands while
    // it is read here; its begin then differs from before, or belongs to the end just read.
    if (begin == 0 || address < begin || address >= end || slot.begin.load() != begin) continue;
    void* pages = mmap(reinterpret_cast<void*>(begin), end - begin, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return false;
    slot.broken.store(true);
    return true;
  }
  return false;
}

void HandleBusError(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  // si_code is positive when the kernel speaks of an address; a signal that was sent carries none.
  const bool repaired = info->si_code > 0 && Repair(reinterpret_cast<uintptr_t>(info->si_addr));
  errno = saved_errno;
  if (repaired) return;  // the access is tried again
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) return previous_action.sa_sigaction(signal, info, context);
  if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    return previous_action.sa_handler(signal);
  }
  struct sigaction fallback = {};
  fallback.sa_handler = SIG_DFL;
  sigaction(signal, &fallback, nullptr);
  raise(signal);  // blocked until this returns
}

absl::Status InstallHandler() {
  struct sigaction action = {};
  action.sa_sigaction = HandleBusError;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  // Known before the handler can run.
  if (sigaction(SIGBUS, nullptr, &previous_action) == 0 && sigaction(SIGBUS, &action, nullptr) == 0) {
    return absl::OkStatus();
  }
  return absl::InternalError("cannot install a handler for SIGBUS");
}

}  // namespace

absl::StatusOr<FaultGuard> FaultGuard::Create(void* begin, size_t size) {
  static const absl::Status installed = InstallHandler();
  MSQ_RETURN_IF_ERROR(installed);
  const std::lock_guard lock(slots_mutex);
  for (int i = 0; i < kCapacity; ++i) {
    Slot& slot = slots[i];
    if (slot.begin.load() != 0) continue;
    slot.broken.store(false);
    slot.end.store(reinterpret_cast<uintptr_t>(begin) + size);
    slot.begin.store(reinterpret_cast<uintptr_t>(begin));  // last: from here on the handler believes the rest
    return FaultGuard(i);
  }
  return absl::ResourceExhaustedError(absl::StrCat("more than ", kCapacity, " shared memory mappings"));
}

FaultGuard::FaultGuard(FaultGuard&& other) noexcept : slot_(std::exchange(other.slot_, -1)) {}

FaultGuard::~FaultGuard() {
  if (slot_ >= 0) slots[slot_].begin.store(0);
}

bool FaultGuard::broken() const {
  return slots[slot_].broken.load();
}

}  // namespace msq::server

#include "hw/emulation/driver_device.h"

#include <ert.h>
#include <uuid/uuid.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <new>
#include <stdexcept>
#include <system_error>
#include <tuple>

#include "base/status.h"
#include "hw/emulation/design.h"
#include "hw/regs/registers.h"

namespace msq::emulation {
namespace {

using xrt_core::query::key_type;

constexpr unsigned int kDeviceContext = ~0u;  // the index that stands for no IP

[[noreturn]] void Busy(const char* what) {
  throw std::system_error(EBUSY, std::generic_category(), std::string("emulated board: ") + what);
}

[[noreturn]] void Invalid(const char* what) {
  throw std::system_error(EINVAL, std::generic_category(), std::string("emulated board: ") + what);
}

void CheckIp(uint32_t ip) {
  if (ip != 0) Invalid("there is one IP, number 0");
}

class Answer final : public xrt_core::query::request {
 public:
  explicit Answer(std::function<boost::any()> function) : function_(std::move(function)) {}
  boost::any get(const xrt_core::device* /*device*/) const override { return function_(); }

 private:
  const std::function<boost::any()> function_;
};

}  // namespace

DriverDevice::DriverDevice(id_type id) : xrt_core::device(id), id_(id) {
  const auto answer = [this](key_type key, std::function<boost::any()> function) {
    answers_[key] = std::make_unique<Answer>(std::move(function));
  };
  answer(key_type::pcie_bdf, [id] {
    return boost::any(std::tuple<uint16_t, uint16_t, uint16_t, uint16_t>(0, 0, static_cast<uint16_t>(id), 0));
  });
  answer(key_type::rom_vbnv, [this] { return boost::any(platform_); });
  answer(key_type::clock_freqs_mhz, [this] { return boost::any(std::vector<std::string>{clock_mhz_}); });
  answer(key_type::xclbin_uuid, [this] {
    char text[UUID_STR_LEN];
    uuid_unparse_lower(uuid_, text);
    return boost::any(std::string(text));
  });
  answer(key_type::m2m, [] { return boost::any(uint32_t{0}); });
  answer(key_type::nodma, [] { return boost::any(uint32_t{0}); });
  answer(key_type::is_ready, [] { return boost::any(true); });
  answer(key_type::is_offline, [] { return boost::any(false); });
}

const xrt_core::query::request& DriverDevice::lookup_query(key_type key) const {
  const auto found = answers_.find(key);
  if (found == answers_.end()) throw xrt_core::query::no_such_key(key);
  return *found->second;
}

void DriverDevice::open_context(const xuid_t xclbin, unsigned int ip, bool shared) {
  const std::lock_guard lock(mutex_);
  if (uuid_compare(xclbin, uuid_) != 0) Busy("another .xclbin is loaded");
  if (ip != kDeviceContext) {
    CheckIp(ip);
    if (ip_contexts_ < 0 || (!shared && ip_contexts_ > 0)) Busy("the IP is in use");
    ip_contexts_ = shared ? ip_contexts_ + 1 : -1;
  }
  ++contexts_;
}

void DriverDevice::close_context(const xuid_t /*xclbin*/, unsigned int ip) {
  const std::lock_guard lock(mutex_);
  --contexts_;
  if (ip != kDeviceContext) ip_contexts_ = ip_contexts_ < 0 ? 0 : ip_contexts_ - 1;
}

DriverDevice::Buffer DriverDevice::Add(BufferRecord record) {
  if (record.on_board()) {
    const auto address = board_.Allocate(record.bytes);
    if (!address) throw std::bad_alloc();
    record.address = *address;
  }
  const std::lock_guard lock(mutex_);
  buffers_.emplace(next_buffer_, std::move(record));
  return next_buffer_++;
}

DriverDevice::Buffer DriverDevice::alloc_bo(size_t bytes, unsigned int flags) {
  BufferRecord record;
  record.bytes = bytes;
  record.flags = flags;
  const size_t pages = (bytes + hw::DramAllocator::kPage - 1) / hw::DramAllocator::kPage * hw::DramAllocator::kPage;
  record.own.reset(static_cast<std::byte*>(std::aligned_alloc(hw::DramAllocator::kPage, pages)));
  if (!record.own) throw std::bad_alloc();
  std::fill_n(record.own.get(), pages, std::byte{0});
  record.host = record.own.get();
  return Add(std::move(record));
}

DriverDevice::Buffer DriverDevice::alloc_bo(void* memory, size_t bytes, unsigned int flags) {
  BufferRecord record;
  record.host = static_cast<std::byte*>(memory);
  record.bytes = bytes;
  record.flags = flags;
  return Add(std::move(record));
}

void DriverDevice::free_bo(Buffer handle) {
  board_.Cancel(handle);
  std::unique_lock lock(mutex_);
  const auto found = buffers_.find(handle);
  if (found == buffers_.end()) return;
  const BufferRecord record = std::move(found->second);
  buffers_.erase(found);
  lock.unlock();
  if (record.on_board()) board_.Free(record.address);
}

const DriverDevice::BufferRecord& DriverDevice::Find(Buffer handle) const {
  const std::lock_guard lock(mutex_);
  const auto found = buffers_.find(handle);
  if (found == buffers_.end()) Invalid("there is no such buffer");
  return found->second;
}

const DriverDevice::BufferRecord& DriverDevice::Find(Buffer handle, size_t bytes, size_t offset) const {
  const BufferRecord& record = Find(handle);
  if (!record.on_board() || offset > record.bytes || bytes > record.bytes - offset) Invalid("outside the buffer");
  return record;
}

// Host's and board's copies are never the same, so that a transfer that was forgotten shows.
void DriverDevice::sync_bo(Buffer handle, Direction direction, size_t bytes, size_t offset) {
  const BufferRecord& record = Find(handle, bytes, offset);
  const bool done = direction == XCL_BO_SYNC_BO_TO_DEVICE
                        ? board_.Write(record.address + offset, {record.host + offset, bytes})
                        : board_.Read(record.address + offset, {record.host + offset, bytes});
  if (!done) Invalid("the buffer is of a design that is not loaded any more");
}

void* DriverDevice::map_bo(Buffer handle, bool /*write*/) {
  return Find(handle).host;
}

void DriverDevice::get_bo_properties(Buffer handle, xclBOProperties* properties) const {
  const BufferRecord& record = Find(handle);
  *properties = {};
  properties->handle = handle;
  properties->flags = record.flags;
  properties->size = record.bytes;
  properties->paddr = record.address;
}

void DriverDevice::reg_read(uint32_t ip, uint32_t offset, uint32_t* value) const {
  CheckIp(ip);
  if (offset >= hw::kRegisterBytes) Invalid("no register there");
  *value = board_.ReadRegister(offset);
}

void DriverDevice::reg_write(uint32_t ip, uint32_t offset, uint32_t value) {
  CheckIp(ip);
  if (offset >= hw::kRegisterBytes) Invalid("no register there");
  board_.WriteRegister(offset, value);
}

// XRT polls the state in the packet from another thread, without a lock.
void DriverDevice::Finish(std::byte* packet, int state) {
  constexpr uint32_t kStateMask = 0xf;
  std::atomic_ref<uint32_t> header(*reinterpret_cast<uint32_t*>(packet));
  header.store((header.load(std::memory_order_relaxed) & ~kStateMask) | static_cast<uint32_t>(state),
               std::memory_order_release);
  const std::lock_guard lock(completion_mutex_);
  ++completions_;
  completed_.notify_all();
}

void DriverDevice::exec_buf(Buffer handle) {
  const BufferRecord& record = Find(handle);
  switch (reinterpret_cast<const ert_packet*>(record.host)->opcode) {
    case ERT_START_CU:
      return Start(handle, record);
    case ERT_ABORT:
      return Abort(handle, record);
    default:
      return Finish(record.host, ERT_CMD_STATE_ERROR);
  }
}

// Words 0 to 3 of the packet's register map are ctrl and interrupts, which are the scheduler's.
void DriverDevice::Start(Buffer handle, const BufferRecord& record) {
  constexpr uint32_t kFirstArgument = 4;
  const auto* packet = reinterpret_cast<const ert_start_kernel_cmd*>(record.host);
  const uint32_t masks = 1 + packet->extra_cu_masks;
  if (packet->count < masks || (packet->cu_mask & 1) == 0) return Finish(record.host, ERT_CMD_STATE_ERROR);
  const uint32_t* words = packet->data + packet->extra_cu_masks;
  Command command;
  command.id = handle;
  for (uint32_t i = kFirstArgument; i < packet->count - masks; ++i) command.registers.emplace_back(4 * i, words[i]);
  command.done = [this, host = record.host](bool well) {
    Finish(host, well ? ERT_CMD_STATE_COMPLETED : ERT_CMD_STATE_ERROR);
  };
  board_.Submit(std::move(command));
}

void DriverDevice::Abort(Buffer /*handle*/, const BufferRecord& record) {
  const auto target = static_cast<Buffer>(reinterpret_cast<const ert_abort_cmd*>(record.host)->exec_bo_handle);
  const bool was_there = board_.Cancel(target);
  if (was_there) Finish(Find(target).host, ERT_CMD_STATE_ABORT);
  Finish(record.host, ERT_CMD_STATE_COMPLETED);
}

// As poll(): 0 when nothing was completed in time.
int DriverDevice::exec_wait(int timeout_ms) const {
  std::unique_lock lock(completion_mutex_);
  const auto any = [this] { return completions_ > 0; };
  if (timeout_ms < 0) {
    completed_.wait(lock, any);
  } else if (!completed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), any)) {
    return 0;
  }
  --completions_;
  return 1;
}

// A board that nobody uses is programmed anew even with the design that it has: so it is reset.
void DriverDevice::load_axlf(const axlf* xclbin) {
  {
    const bool has_buffers = board_.has_buffers();
    const std::lock_guard lock(mutex_);
    const bool same = uuid_compare(xclbin->m_header.uuid, uuid_) == 0;
    const bool in_use = contexts_ != 0 || has_buffers;
    if (in_use && !same) Busy("another .xclbin is in use");
    if (!in_use) {
      const auto design = ReadDesign(*xclbin);
      if (!design.ok()) throw std::runtime_error(std::string(Message(design.status())));
      auto machine = MakeMachine(CurrentOptions(), static_cast<int>(id_), *design);
      if (!machine.ok()) throw std::runtime_error(std::string(Message(machine.status())));
      StopBoardsAtExit();
      board_.Program(*std::move(machine), design->clock_mhz);
      platform_ = design->platform;
      clock_mhz_ = std::to_string(design->clock_mhz);
      uuid_copy(uuid_, xclbin->m_header.uuid);
    }
  }
  register_axlf(xclbin);
}

int DriverDevice::open_ip_interrupt_notify(unsigned int ip) {
  CheckIp(ip);
  return static_cast<int>(ip);
}

void DriverDevice::close_ip_interrupt_notify(int /*handle*/) {
  board_.DisableInterrupt();
}

void DriverDevice::enable_ip_interrupt(int /*handle*/) {
  board_.EnableInterrupt();
}

void DriverDevice::disable_ip_interrupt(int /*handle*/) {
  board_.DisableInterrupt();
}

void DriverDevice::wait_ip_interrupt(int /*handle*/) {
  board_.WaitForInterrupt();
}

}  // namespace msq::emulation

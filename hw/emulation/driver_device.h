// A device as XRT sees it: buffers with two copies, contexts, command packets, over an emulated board.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "hw/emulation/board.h"
#include "hw/emulation/options.h"
#include "hw/emulation/xrt_abi.h"

namespace msq::emulation {

// The options that hold from now on; thread-safe.
Options CurrentOptions();
// To be called when the code of a machine was loaded: boards stop before it is taken down.
void StopBoardsAtExit();

// Thread-safe. What a real driver would refuse throws, as XRT's interface has it. Lives as long as the process, for XRT
// keeps pointers to it.
class DriverDevice final : public xrt_core::device {
 public:
  explicit DriverDevice(id_type id);

  Board& board() { return board_; }

  handle_type get_device_handle() const override { return const_cast<DriverDevice*>(this); }
  void close_device() override {}
  void open_context(const xuid_t xclbin, unsigned int ip, bool shared) override;
  void close_context(const xuid_t xclbin, unsigned int ip) override;

  Buffer alloc_bo(size_t bytes, unsigned int flags) override;
  Buffer alloc_bo(void* memory, size_t bytes, unsigned int flags) override;
  void free_bo(Buffer handle) override;
  void sync_bo(Buffer handle, Direction direction, size_t bytes, size_t offset) override;
  void* map_bo(Buffer handle, bool write) override;
  void unmap_bo(Buffer /*handle*/, void* /*memory*/) override {}
  void get_bo_properties(Buffer handle, xclBOProperties* properties) const override;

  void reg_read(uint32_t ip, uint32_t offset, uint32_t* value) const override;
  void reg_write(uint32_t ip, uint32_t offset, uint32_t value) override;

  void exec_buf(Buffer handle) override;
  int exec_wait(int timeout_ms) const override;
  void load_axlf(const axlf* xclbin) override;

  int open_ip_interrupt_notify(unsigned int ip) override;
  void close_ip_interrupt_notify(int handle) override;
  void enable_ip_interrupt(int handle) override;
  void disable_ip_interrupt(int handle) override;
  void wait_ip_interrupt(int handle) override;

 private:
  struct HostFree {
    void operator()(std::byte* memory) const { ::free(memory); }
  };
  struct BufferRecord {
    std::byte* host = nullptr;
    std::unique_ptr<std::byte, HostFree> own;  // unless the host's copy is memory of the caller
    uint64_t bytes = 0;
    uint64_t address = 0;
    unsigned int flags = 0;
    bool on_board() const { return (flags & XCL_BO_FLAGS_EXECBUF) == 0; }
  };

  const xrt_core::query::request& lookup_query(xrt_core::query::key_type key) const override;
  Buffer Add(BufferRecord record);
  const BufferRecord& Find(Buffer handle) const;
  // Of a buffer on the board, with the range checked.
  const BufferRecord& Find(Buffer handle, size_t bytes, size_t offset) const;
  void Start(Buffer handle, const BufferRecord& record);
  void Abort(Buffer handle, const BufferRecord& record);
  void Finish(std::byte* packet, int state);

  const id_type id_;
  mutable Board board_;
  mutable std::mutex mutex_;  // of buffers and contexts; the board's lock comes after it
  std::map<Buffer, BufferRecord> buffers_;
  Buffer next_buffer_ = 1;
  xuid_t uuid_ = {};
  int contexts_ = 0;                     // of the device
  int ip_contexts_ = 0;                  // of its accelerator; -1 is an exclusive one
  mutable std::mutex completion_mutex_;  // the innermost
  mutable std::condition_variable completed_;
  mutable int completions_ = 0;  // that exec_wait has not told
  std::map<xrt_core::query::key_type, std::unique_ptr<xrt_core::query::request>> answers_;
  std::string platform_, clock_mhz_;  // what some of them tell
};

}  // namespace msq::emulation

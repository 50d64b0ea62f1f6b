// What libxrt_coreutil.so.2 of XRT 2.13, as Debian builds it for amd64, expects of a driver: two C++ base classes, slot
// by slot. No header of XRT declares them. Slot order and types were read off libxrt_noop.so.2, and abi_check.py compares
// them with the installed one on every build.
//
// Names and signatures are those of the Xilinx Runtime (XRT), Copyright Xilinx, Inc. and Advanced Micro Devices, Inc.,
// licensed under the Apache License, Version 2.0. The wording here is ours.
#pragma once

#include <xclbin.h>
#include <xrt.h>

#include <boost/any.hpp>
#include <boost/property_tree/ptree_fwd.hpp>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace xrt {
class bo;
namespace aie {
enum class access_mode : uint8_t;
}  // namespace aie
}  // namespace xrt

namespace xrt_core {

class device;

// XRT turns any std::exception of a driver into one of its own for the caller.
[[noreturn]] inline void Refuse(const char* what) {
  throw std::runtime_error(std::string(what) + ": this device has no such thing");
}

namespace query {

// The questions that the driver answers; any other number is one that it does not know.
enum class key_type : int {
  pcie_bdf = 8,
  rom_vbnv = 12,
  xclbin_uuid = 19,
  m2m = 60,
  nodma = 62,
  clock_freqs_mhz = 64,
  is_ready = 150,
  is_offline = 151,
};

class reset_type;

class exception : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// XRT catches it, by this name, where it can do without an answer.
class no_such_key : public exception {
 public:
  explicit no_such_key(key_type key)
      : exception("the device does not answer query " + std::to_string(static_cast<int>(key))), key_(key) {}

 private:
  key_type key_;
};

struct request {
  enum class modifier { subdev, entry };
  using Any = boost::any;

  virtual ~request() = default;
  virtual Any get(const device*) const { Refuse("get()"); }
  virtual Any get(const device*, const Any&) const { Refuse("get(1)"); }
  virtual Any get(const device*, const Any&, const Any&) const { Refuse("get(2)"); }
  virtual Any get(const device*, modifier, const std::string&) const { Refuse("get(modifier)"); }
  virtual Any get(const device*, const Any&, const Any&, const Any&) const { Refuse("get(3)"); }
  virtual void put(const device*, const Any&) const { Refuse("put()"); }
};

}  // namespace query

// Slots 0 to 56. What is not pure is refused unless a driver overrides it.
struct ishim {
  using Buffer = xclBufferHandle;
  using Export = xclBufferExportHandle;
  using Direction = xclBOSyncDirection;

  virtual void close_device() = 0;
  virtual void open_context(const xuid_t xclbin, unsigned int ip, bool shared) = 0;
  virtual void close_context(const xuid_t xclbin, unsigned int ip) = 0;

  // Slots 3 to 14: buffers. On x86 an ordinary one comes with memory of the caller, on ARM without.
  virtual Buffer alloc_bo(size_t bytes, unsigned int flags) = 0;
  virtual Buffer alloc_bo(void* memory, size_t bytes, unsigned int flags) = 0;
  virtual void free_bo(Buffer) = 0;
  virtual Export export_bo(Buffer) const { Refuse("export_bo"); }
  virtual Buffer import_bo(Export) { Refuse("import_bo"); }
  virtual void close_export_handle(Export) { Refuse("close_export_handle"); }
  virtual Buffer import_bo(pid_t, Export) { Refuse("import_bo"); }
  virtual void copy_bo(Buffer, Buffer, size_t, size_t, size_t) { Refuse("copy_bo"); }
  virtual void sync_bo(Buffer, Direction, size_t bytes, size_t offset) = 0;
  virtual void* map_bo(Buffer, bool write) = 0;
  virtual void unmap_bo(Buffer, void* memory) = 0;
  virtual void get_bo_properties(Buffer, xclBOProperties* properties) const = 0;

  // Slots 15 to 20: registers.
  virtual void reg_read(uint32_t ip, uint32_t offset, uint32_t* value) const = 0;
  virtual void reg_write(uint32_t ip, uint32_t offset, uint32_t value) = 0;
  virtual void xread(xclAddressSpace, uint64_t, void*, size_t) const { Refuse("xread"); }
  virtual void xwrite(xclAddressSpace, uint64_t, const void*, size_t) { Refuse("xwrite"); }
  virtual void unmgd_pread(void*, size_t, uint64_t) { Refuse("unmgd_pread"); }
  virtual void unmgd_pwrite(const void*, size_t, uint64_t) { Refuse("unmgd_pwrite"); }

  // Slots 21 to 29: commands, designs, resets.
  virtual void exec_buf(Buffer packet) = 0;
  virtual int exec_wait(int timeout_ms) const = 0;
  virtual void load_axlf(const axlf* xclbin) = 0;
  virtual void reclock(const unsigned short*) { Refuse("reclock"); }
  virtual void p2p_enable(bool) { Refuse("p2p_enable"); }
  virtual void p2p_disable(bool) { Refuse("p2p_disable"); }
  virtual void set_cma(bool, uint64_t) { Refuse("set_cma"); }
  virtual void update_scheduler_status() { Refuse("update_scheduler_status"); }
  virtual void user_reset(xclResetKind) { Refuse("user_reset"); }

  // Slots 30 to 35: interrupts of user-managed IPs.
  virtual int open_ip_interrupt_notify(unsigned int ip) = 0;
  virtual void close_ip_interrupt_notify(int handle) = 0;
  virtual void enable_ip_interrupt(int handle) = 0;
  virtual void disable_ip_interrupt(int handle) = 0;
  virtual void wait_ip_interrupt(int handle) = 0;
  virtual std::cv_status wait_ip_interrupt(int, int32_t) { Refuse("wait_ip_interrupt with a timeout"); }

  // Slots 36 to 56: the AI engines of other devices. The enumeration of slot 36 is nested in a class; it is passed as an int.
  virtual void* open_graph(const xuid_t, const char*, int) { Refuse("open_graph"); }
  virtual void close_graph(void*) { Refuse("close_graph"); }
  virtual void reset_graph(void*) { Refuse("reset_graph"); }
  virtual uint64_t get_timestamp(void*) { Refuse("get_timestamp"); }
  virtual void run_graph(void*, int) { Refuse("run_graph"); }
  virtual int wait_graph_done(void*, int) { Refuse("wait_graph_done"); }
  virtual void wait_graph(void*, uint64_t) { Refuse("wait_graph"); }
  virtual void suspend_graph(void*) { Refuse("suspend_graph"); }
  virtual void resume_graph(void*) { Refuse("resume_graph"); }
  virtual void end_graph(void*, uint64_t) { Refuse("end_graph"); }
  virtual void update_graph_rtp(void*, const char*, const char*, size_t) { Refuse("update_graph_rtp"); }
  virtual void read_graph_rtp(void*, const char*, char*, size_t) { Refuse("read_graph_rtp"); }
  virtual void open_aie_context(xrt::aie::access_mode) { Refuse("open_aie_context"); }
  virtual void sync_aie_bo(xrt::bo&, const char*, Direction, size_t, size_t) { Refuse("sync_aie_bo"); }
  virtual void reset_aie() { Refuse("reset_aie"); }
  virtual void sync_aie_bo_nb(xrt::bo&, const char*, Direction, size_t, size_t) { Refuse("sync_aie_bo_nb"); }
  virtual void wait_gmio(const char*) { Refuse("wait_gmio"); }
  virtual int start_profiling(int, const char*, const char*, uint32_t) { Refuse("start_profiling"); }
  virtual uint64_t read_profiling(int) { Refuse("read_profiling"); }
  virtual void stop_profiling(int) { Refuse("stop_profiling"); }
  virtual void load_axlf_meta(const axlf*) { Refuse("load_axlf_meta"); }
};

// Slots 57 to 70. Constructor, destructor and register_axlf are XRT's, and so is what they keep in the object, about 110
// bytes: room is left for it.
class device : public ishim {
 public:
  using id_type = unsigned int;
  using handle_type = xclDeviceHandle;

  explicit device(id_type id);
  virtual ~device();
  virtual handle_type get_device_handle() const = 0;
  virtual handle_type get_mgmt_handle() const { return nullptr; }
  virtual handle_type get_user_handle() const { return get_device_handle(); }
  virtual bool is_userpf() const { return true; }

 private:
  virtual const query::request& lookup_query(query::key_type key) const = 0;

 public:
  virtual void get_info(boost::property_tree::ptree&) const {}
  virtual void read(uint64_t, void*, uint64_t) const {}
  virtual void write(uint64_t, const void*, uint64_t) const {}
  virtual void reset(query::reset_type&) const {}
  virtual void xclmgmt_load_xclbin(const char*) const {}
  virtual int open(const std::string&, int) const { Refuse("open"); }
  virtual void close(int) const { Refuse("close"); }

  void register_axlf(const axlf* xclbin);  // tells XRT what was loaded

 private:
  alignas(16) std::byte room_[2048];
};

// Making one object of it, when the library is loaded, is what makes the library XRT's driver.
class system {
 protected:
  system();

 public:
  enum class monitor_access_type { bar, mmap, ioctl };
  using id_type = device::id_type;
  using Tree = boost::property_tree::ptree;
  using DevicePointer = std::shared_ptr<device>;

  virtual void get_xrt_info(Tree&) {}
  virtual void get_os_info(Tree&) {}
  virtual void get_devices(Tree&) const {}
  virtual id_type get_device_id(const std::string& bdf) const;  // XRT's
  virtual std::pair<id_type, id_type> get_total_devices(bool is_user) const = 0;
  virtual DevicePointer get_userpf_device(id_type) const = 0;
  virtual DevicePointer get_userpf_device(device::handle_type, id_type) const = 0;
  virtual DevicePointer get_mgmtpf_device(id_type) const = 0;
  virtual monitor_access_type get_monitor_access_type() const { return monitor_access_type::bar; }
  virtual void program_plp(const device*, const std::vector<char>&, bool) const { Refuse("program_plp"); }
  virtual void mem_read(const device*, long long, long long, const std::string&) const { Refuse("mem_read"); }
  virtual void mem_write(const device*, long long, long long, unsigned int) const { Refuse("mem_write"); }
};

// XRT's: remembers which handle belongs to which device.
std::shared_ptr<device> get_userpf_device(device::handle_type handle, device::id_type id);

}  // namespace xrt_core

#include "backends/fpga/xrt_device.h"

#include <dlfcn.h>
#include <experimental/xrt_ip.h>
#include <experimental/xrt_xclbin.h>
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/time/clock.h"
#include "backends/fpga/electrical_report.h"
#include "backends/fpga/xclbin_file.h"
#include "base/aligned_buffer.h"
#include "base/status.h"
#include "hw/emulation/emulation_driver.h"
#include "hw/regs/registers.h"

namespace msq::fpga {
namespace {

constexpr std::string_view kAccelerator = "msq_kernel:";  // and its instance
constexpr std::string_view kEmulation = "emu:";
constexpr int64_t kPage = 4096;
constexpr xrt::memory_group kBank = 0;  // there is one

// A poll costs about a microsecond, so it is worth it around the time at which the program should end.
constexpr absl::Duration kSpin = absl::Microseconds(100);
constexpr absl::Duration kShortestPause = absl::Microseconds(20), kLongestPause = absl::Milliseconds(1);

// XRT throws; nothing does from here on. `what` is what was tried.
template <typename Function>
absl::Status Try(const std::string& what, Function function) {
  try {
    function();
    return absl::OkStatus();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(what, ": no memory"));
  } catch (const std::system_error& error) {
    const std::string text = absl::StrCat(what, ": ", error.what());
    return error.code() == std::errc::not_enough_memory ? absl::ResourceExhaustedError(text)
                                                        : absl::UnavailableError(text);
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat(what, ": ", error.what()));
  }
}

// Cached by the host, so it is quick to read and write; XRT's transfers take care of the caches.
class XrtBuffer final : public DeviceBuffer {
 public:
  // Counts its pages in `used` for as long as it is there.
  XrtBuffer(const std::string& device, xrt::bo buffer, int64_t bytes, std::atomic<int64_t>* used)
      : device_(device),
        buffer_(std::move(buffer)),
        address_(buffer_.address()),
        host_(buffer_.map<std::byte*>(), static_cast<size_t>(bytes)),
        used_(*used) {
    used_ += static_cast<int64_t>(buffer_.size());
  }
  ~XrtBuffer() override { used_ -= static_cast<int64_t>(buffer_.size()); }

  uint64_t address() const override { return address_; }
  std::span<std::byte> host_bytes() override { return host_; }
  absl::Status Upload(int64_t offset, int64_t bytes) override {
    return Transfer(": upload", XCL_BO_SYNC_BO_TO_DEVICE, offset, bytes);
  }
  absl::Status Download(int64_t offset, int64_t bytes) override {
    return Transfer(": download", XCL_BO_SYNC_BO_FROM_DEVICE, offset, bytes);
  }

 private:
  absl::Status Transfer(const char* what, xclBOSyncDirection direction, int64_t offset, int64_t bytes) {
    if (bytes == 0) return absl::OkStatus();
    return Try(device_ + what,
               [&] { buffer_.sync(direction, static_cast<size_t>(bytes), static_cast<size_t>(offset)); });
  }

  const std::string device_;
  xrt::bo buffer_;
  const uint64_t address_;
  const std::span<std::byte> host_;
  std::atomic<int64_t>& used_;
};

// A board with a design loaded; all that open it share it.
struct Board {
  xrt::device device;
  xrt::uuid design;
  xrt::ip ip;
  std::atomic<int64_t> used_bytes{0};  // by buffers

  Board(xrt::device board, xrt::uuid uuid, const std::string& ip_name)
      : device(std::move(board)), design(std::move(uuid)), ip(device, design, ip_name) {}
};

class XrtDevice final : public Device {
 public:
  XrtDevice(std::string name, std::shared_ptr<Board> board) : name_(std::move(name)), board_(std::move(board)) {
    unsigned long mhz = 0;
    const absl::Status status =
        Try(name_, [&] { mhz = board_->device.get_info<xrt::info::device::max_clock_frequency_mhz>(); });
    if (status.ok() && mhz > 0) clock_hz_ = 1e6 * static_cast<double>(mhz);
  }

  const std::string& name() const override { return name_; }

  absl::StatusOr<std::unique_ptr<DeviceBuffer>> Allocate(int64_t bytes) override {
    // Whole pages: XRT aligns to them, and no two buffers share a line of the cache.
    std::unique_ptr<DeviceBuffer> buffer;
    MSQ_RETURN_IF_ERROR(Try(absl::StrCat(name_, ": buffer of ", bytes, " bytes"), [&] {
      const size_t pages = AllocationSize((bytes + kPage - 1) / kPage * kPage);
      buffer = std::make_unique<XrtBuffer>(name_, xrt::bo(board_->device, pages, xrt::bo::flags::cacheable, kBank),
                                           bytes, &board_->used_bytes);
    }));
    return buffer;
  }

  absl::StatusOr<uint32_t> ReadRegister(uint32_t address) override {
    uint32_t value = 0;
    MSQ_RETURN_IF_ERROR(Try(name_ + ": register read", [&] { value = board_->ip.read_register(address); }));
    return value;
  }

  absl::Status WriteRegister(uint32_t address, uint32_t value) override {
    return Try(name_ + ": register write", [&] { board_->ip.write_register(address, value); });
  }

  // XRT cannot wait for an interrupt with a deadline on these boards, so this polls.
  absl::Status WaitUntilEnded(absl::Duration patience, absl::Duration expected) override {
    const auto now = [] { return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch()); };
    const absl::Duration give_up = now() + patience;
    if (expected > kSpin) absl::SleepFor(std::min(expected - kSpin, patience));
    const absl::Duration spin_until = now() + 2 * kSpin;
    absl::Duration pause = kShortestPause;
    while (true) {
      MSQ_ASSIGN_OR_RETURN(const uint32_t ctrl, ReadRegister(hw::kCtrlRegister));
      if (hw::kCtrlApStart.Of(ctrl) == 0) return absl::OkStatus();
      const absl::Duration time = now();
      if (time >= give_up) return absl::DeadlineExceededError("the program has not ended");
      if (time < spin_until) continue;
      absl::SleepFor(std::min(pause, give_up - time));
      pause = std::min(2 * pause, kLongestPause);
    }
  }

  std::optional<double> clock_hz() const override { return clock_hz_; }
  // How much memory there is nobody tells: it is the kernel's.
  Memory memory() override { return {.bytes = std::nullopt, .used_bytes = board_->used_bytes.load()}; }
  std::optional<double> ReadPowerWatts() override {
    std::string report;
    const absl::Status status = Try(name_, [&] { report = board_->device.get_info<xrt::info::device::electrical>(); });
    return status.ok() ? ParsePowerWatts(report) : std::nullopt;
  }

 private:
  const std::string name_;
  const std::shared_ptr<Board> board_;
  std::optional<double> clock_hz_;
};

// What a process has one of. XRT leaks a thread for each device that it closes, and opens them without a lock.
struct Process {
  std::mutex mutex;
  std::optional<std::string> driver;   // its library, once XRT has one
  std::map<int, xrt::device> devices;  // never closed
  std::map<int, std::weak_ptr<Board>> boards;
};

Process& TheProcess() {
  static Process* const process = new Process;
  return *process;
}

// Loads the library, which makes it the driver unless XRT has one.
absl::Status Load(const std::string& library, const std::string& options, Process* process) {
  void* loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  if (loaded == nullptr) return Unavailable("XRT emulation driver cannot be loaded: ", dlerror());
  const auto configure = reinterpret_cast<emulation::ConfigureFunction>(dlsym(loaded, emulation::kConfigureFunction));
  if (configure == nullptr) return Unavailable(library, " is no emulation driver of ours");
  process->driver = library;
  const char* error = configure(options.c_str());
  return error == nullptr ? absl::OkStatus() : InvalidArgument(error);
}

// "" or "emu:LIBRARY,OPTIONS".
absl::Status ChooseDriver(std::string_view driver, Process* process) {
  std::string library, options;
  if (driver.starts_with(kEmulation)) {
    driver.remove_prefix(kEmulation.size());
    const size_t comma = std::min(driver.find(','), driver.size());
    library = comma == 0 ? emulation::DefaultDriverPath() : std::string(driver.substr(0, comma));
    options = driver.substr(comma);
  } else if (!driver.empty()) {
    return InvalidArgument("XRT driver \"", std::string(driver),
                           "\" is neither empty nor emu:[LIBRARY][,KEY=VALUE]...");
  }
  if (process->driver && *process->driver != library) {
    return FailedPrecondition("XRT has its driver for this process already: ",
                              process->driver->empty() ? "the system's" : *process->driver);
  }
  if (!library.empty()) return Load(library, options, process);
  process->driver = library;
  return absl::OkStatus();
}

struct Design {
  xrt::xclbin xclbin;
  std::string ip;  // as XRT looks it up: "kernel:{instance}"
};

absl::StatusOr<Design> ReadDesign(const std::string& path) {
  MSQ_ASSIGN_OR_RETURN(const std::vector<char> file, ReadXclbin(path));
  Design design;
  MSQ_RETURN_IF_ERROR(Try(path, [&] {
    design.xclbin = xrt::xclbin(file);
    for (const xrt::xclbin::ip& ip : design.xclbin.get_ips()) {
      const std::string ip_name = ip.get_name();
      if (!ip_name.starts_with(kAccelerator)) continue;
      design.ip = absl::StrCat(std::string(kAccelerator), "{", ip_name.substr(kAccelerator.size()), "}");
    }
  }));
  if (design.ip.empty()) return FailedPrecondition(path, " has no ", std::string(kAccelerator), "...");
  return design;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> OpenXrtDevice(const XrtDeviceOptions& options) {
  Process& process = TheProcess();
  const std::lock_guard lock(process.mutex);
  MSQ_RETURN_IF_ERROR(ChooseDriver(options.driver, &process));
  const std::string name = absl::StrCat("xrt ", options.index);
  if (!process.devices.contains(options.index)) {
    MSQ_RETURN_IF_ERROR(Try(absl::StrCat(name, ": opening the board"), [&] {
      process.devices.emplace(options.index, xrt::device(static_cast<unsigned int>(options.index)));
    }));
  }
  MSQ_ASSIGN_OR_RETURN(const Design design, ReadDesign(options.xclbin));
  std::weak_ptr<Board>& known = process.boards[options.index];
  std::shared_ptr<Board> board = known.lock();
  if (board && board->design != design.xclbin.get_uuid()) {
    return FailedPrecondition(name, " is open with another .xclbin than ", options.xclbin);
  }
  if (!board) {
    xrt::device& device = process.devices.at(options.index);
    MSQ_RETURN_IF_ERROR(Try(absl::StrCat(name, ": loading ", options.xclbin), [&] {
      const xrt::uuid uuid = device.load_xclbin(design.xclbin);
      board = std::make_shared<Board>(device, uuid, design.ip);
    }));
    known = board;
  }
  return std::make_unique<XrtDevice>(name, std::move(board));
}

}  // namespace msq::fpga

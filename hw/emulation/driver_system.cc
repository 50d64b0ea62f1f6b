// What loading the driver does: it becomes XRT's, with as many devices as the options say.
#include <array>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/status.h"
#include "hw/emulation/driver_device.h"
#include "hw/emulation/emulation_driver.h"

namespace msq::emulation {

// The only one in the process. Devices are made when they are opened first.
class DriverSystem final : public xrt_core::system {
 public:
  DriverSystem() {
    const char* options = std::getenv("MSQ_XRT_EMULATION");
    error_ = Configure(options == nullptr ? "" : options);
  }

  absl::Status Configure(const char* text) {
    auto options = ParseOptions(text);
    if (!options.ok()) return options.status();
    const std::lock_guard lock(mutex_);
    options_ = *std::move(options);
    error_ = absl::OkStatus();
    return absl::OkStatus();
  }

  Options options() const {
    const std::lock_guard lock(mutex_);
    return options_;
  }

  // So that no board uses what the process takes down when it exits.
  void StopBoards() {
    const std::lock_guard lock(mutex_);
    for (const auto& device : devices_) {
      if (device) device->board().Stop();
    }
  }

  std::pair<id_type, id_type> get_total_devices(bool /*is_user*/) const override {
    const auto devices = static_cast<id_type>(options().devices);
    return {devices, devices};
  }

  DevicePointer get_userpf_device(id_type id) const override {
    xrt_core::device::handle_type handle = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (!error_.ok()) throw std::runtime_error(std::string(Message(error_)));
      if (id >= static_cast<id_type>(options_.devices)) return nullptr;
      auto& device = devices_.at(id);
      if (!device) device = std::make_shared<DriverDevice>(id);
      handle = device->get_device_handle();
    }
    // XRT remembers the pair, and asks for the device below.
    return xrt_core::get_userpf_device(handle, id);
  }

  DevicePointer get_userpf_device(xrt_core::device::handle_type handle, id_type id) const override {
    const std::lock_guard lock(mutex_);
    const auto& device = devices_.at(id);
    return device && device->get_device_handle() == handle ? device : nullptr;
  }

  DevicePointer get_mgmtpf_device(id_type id) const override { return get_userpf_device(id); }

 private:
  mutable std::mutex mutex_;
  Options options_;
  absl::Status error_;  // of the environment's options, told to who opens a device
  mutable std::array<std::shared_ptr<DriverDevice>, 16> devices_;
};

namespace {

// Never destroyed: XRT uses it until the process is gone.
DriverSystem& System() {
  static DriverSystem* const system = new DriverSystem;
  return *system;
}

[[maybe_unused]] DriverSystem& registered = System();

}  // namespace

Options CurrentOptions() {
  return System().options();
}

void StopBoardsAtExit() {
  // What is registered last is called first. Should there be no room in the list, boards do not stop.
  static_cast<void>(std::atexit([] { System().StopBoards(); }));
}

}  // namespace msq::emulation

const char* MsqXrtEmulationConfigure(const char* options) {
  static thread_local std::string error;
  const absl::Status status = msq::emulation::System().Configure(options);
  error = std::string(msq::Message(status));
  return status.ok() ? nullptr : error.c_str();
}

// What xrt_device.cc takes from XRT's library, for the linker: built as libxrt_coreutil.so.2 where XRT's headers are at hand
// and its library is not, which is so for armhf on Debian. A program linked with it loads the board's own library there. Where
// there is none and this one is found instead, opening a board says so.
#include <experimental/xrt_ip.h>
#include <experimental/xrt_xclbin.h>
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>

#include <any>
#include <stdexcept>

namespace xrt {
namespace {

[[noreturn]] void Refuse() {
  throw std::runtime_error("XRT is not installed: libxrt_coreutil.so.2 is the one that the program was linked with");
}

}  // namespace

device::device(unsigned int) {
  Refuse();
}
uuid device::load_xclbin(const xclbin&) {
  Refuse();
}
device::operator xclDeviceHandle() const {
  Refuse();
}
std::any device::get_info_std(info::device, const detail::abi&) const {
  Refuse();
}

xclbin::xclbin(const std::vector<char>&) {
  Refuse();
}
std::vector<xclbin::ip> xclbin::get_ips() const {
  Refuse();
}
uuid xclbin::get_uuid() const {
  Refuse();
}
std::string xclbin::ip::get_name() const {
  Refuse();
}

ip::ip(const device&, const uuid&, const std::string&) {
  Refuse();
}
void ip::write_register(uint32_t, uint32_t) {
  Refuse();
}
uint32_t ip::read_register(uint32_t) const {
  Refuse();
}

bo::bo(xclDeviceHandle, size_t, flags, memory_group) {
  Refuse();
}
uint64_t bo::address() const {
  Refuse();
}
size_t bo::size() const {
  Refuse();
}
void* bo::map() {
  Refuse();
}
void bo::sync(xclBOSyncDirection, size_t, size_t) {
  Refuse();
}

}  // namespace xrt

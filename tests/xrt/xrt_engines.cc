// The engines of the conformance suite that are behind the real XRT library: one board, and two of which one fails time
// and again.
#include "backends/cpu/cpu_backend.h"
#include "backends/fpga/fpga_backend.h"
#include "backends/fpga/xrt_device.h"
#include "base/check.h"
#include "tests/conformance/engines.h"

namespace msq::conformance {
namespace {

std::shared_ptr<Backend> Open(const std::string& driver, const std::vector<int>& boards) {
  static const std::unique_ptr<Backend> cpu = *cpu::CreateCpuBackend();
  fpga::FpgaBackendOptions options;
  options.configuration = *hw::FindConfiguration("tiny");
  options.probe_interval = absl::Milliseconds(10);
  for (int index : boards) {
    const fpga::XrtDeviceOptions device = {
        .driver = driver, .index = index, .xclbin = MSQ_XCLBIN_DIR "/tiny_test.xclbin"};
    options.devices.push_back({"xrt " + std::to_string(index), [device] { return fpga::OpenXrtDevice(device); }});
  }
  auto backend = fpga::CreateFpgaBackend(options, cpu.get());
  MSQ_CHECK(backend.ok());
  return *std::move(backend);
}

}  // namespace

// Boards are programmed once, so the driver's options are the same for both engines.
const std::vector<Engine>& Engines() {
  static const std::vector<Engine> engines = [] {
    // Of boards that are equally free the first one is taken: it is the one that fails.
    const std::string driver =
        "emu:,devices=2,memory=ideal,fault.1=slverr@20;slverr@60;slverr@150;slverr@300;slverr@600";
    std::vector<Engine> all;
    for (const std::vector<int>& boards : {std::vector<int>{0}, std::vector<int>{1, 0}}) {
      const std::shared_ptr<Backend> backend = Open(driver, boards);
      all.push_back({boards.size() == 1 ? "xrt tiny" : "xrt tiny, one of two fails at times",
                     [backend](const ir::Graph& graph) { return backend->Prepare(graph, {}); }});
    }
    return all;
  }();
  return engines;
}

}  // namespace msq::conformance

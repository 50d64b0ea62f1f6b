#include "tests/xrt/run_on_device.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

#include "absl/time/clock.h"
#include "base/status.h"
#include "hw/regs/registers.h"

namespace msq::testing {
namespace {

constexpr uint32_t kWatchdogCycles = 1 << 20;

reference::Values Unpack(const fpga::HostTensor& output, std::span<const std::byte> words) {
  const size_t size = output.layout.raw ? 4 : 1;
  std::vector<std::byte> bytes(static_cast<size_t>(output.layout.channels * output.layout.pixels()) * size);
  fpga::UnpackOutput(output, words, bytes);
  reference::Values values(bytes.size() / size);
  for (size_t i = 0; i < values.size(); ++i) std::memcpy(&values[i], &bytes[size * i], size);
  return values;
}

}  // namespace

absl::StatusOr<DeviceProgram> DeviceProgram::Load(const fpga::Program& program, fpga::Device* device) {
  DeviceProgram loaded(&program, device);
  MSQ_ASSIGN_OR_RETURN(loaded.buffer_, device->Allocate(program.dram_bytes));
  fpga::Program moved = program;
  moved.MoveTo(loaded.buffer_->address());
  std::copy(moved.image.begin(), moved.image.end(), loaded.buffer_->host_bytes().begin());
  MSQ_RETURN_IF_ERROR(loaded.buffer_->Upload(0, static_cast<int64_t>(moved.image.size())));
  return loaded;
}

absl::Status DeviceProgram::WriteAddress(uint32_t lower, uint64_t value) {
  MSQ_RETURN_IF_ERROR(device_->WriteRegister(lower, static_cast<uint32_t>(value)));
  return device_->WriteRegister(lower + 4, static_cast<uint32_t>(value >> 32));
}

absl::Status DeviceProgram::Start(const std::vector<reference::Values>& inputs, bool upload) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const fpga::HostTensor& input = program_->inputs[i];
    std::vector<std::byte> codes(inputs[i].size());
    std::transform(inputs[i].begin(), inputs[i].end(), codes.begin(),
                   [](int32_t value) { return static_cast<std::byte>(value); });
    fpga::PackInput(input, codes,
                    buffer_->host_bytes().subspan(static_cast<size_t>(input.dram), static_cast<size_t>(input.bytes())));
    if (upload) MSQ_RETURN_IF_ERROR(buffer_->Upload(input.dram, input.bytes()));
  }
  MSQ_RETURN_IF_ERROR(WriteAddress(hw::kProgAddrLoRegister, buffer_->address()));
  MSQ_RETURN_IF_ERROR(WriteAddress(hw::kDramBaseLoRegister, buffer_->address()));
  MSQ_RETURN_IF_ERROR(WriteAddress(hw::kDramSizeLoRegister, static_cast<uint64_t>(program_->dram_bytes)));
  MSQ_RETURN_IF_ERROR(device_->WriteRegister(hw::kWatchdogRegister, kWatchdogCycles));
  return device_->WriteRegister(hw::kCtrlRegister, hw::kCtrlApStart.mask());
}

absl::StatusOr<std::vector<reference::Values>> DeviceProgram::Finish(absl::Duration patience) {
  MSQ_RETURN_IF_ERROR(device_->WaitUntilEnded(patience, absl::Milliseconds(1)));
  MSQ_ASSIGN_OR_RETURN(const uint32_t status, device_->ReadRegister(hw::kStatusRegister));
  const uint32_t error = hw::kStatusError.Of(status);
  if (error != 0) return absl::InternalError(std::string(hw::ErrorName(error)));
  std::vector<reference::Values> outputs;
  for (const fpga::HostTensor& output : program_->outputs) {
    MSQ_RETURN_IF_ERROR(buffer_->Download(output.dram, output.bytes()));
    outputs.push_back(Unpack(
        output, buffer_->host_bytes().subspan(static_cast<size_t>(output.dram), static_cast<size_t>(output.bytes()))));
  }
  return outputs;
}

absl::StatusOr<std::vector<reference::Values>> DeviceProgram::Run(const std::vector<reference::Values>& inputs) {
  MSQ_RETURN_IF_ERROR(Start(inputs));
  return Finish();
}

}  // namespace msq::testing

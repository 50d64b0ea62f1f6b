// The backend contract.
//
//  1. Output bits are a function of (artifact, input) only and equal the reference's: never of batch size, neighbours
//     in the batch, kernel, instruction set, thread count or array shape.
//  2. Backend::Prepare packs weights for its machine and returns an Executable that owns all it needs; the graph may be
//     destroyed afterwards.
//  3. Executable::Run is thread-safe: any number of calls may be under way at once. It neither keeps nor frees the
//     buffers.
//  4. Run validates, then calls DoRun; DoRun sees only valid arguments.
//  5. Errors: INVALID_ARGUMENT wrong count, shape, type or size; DEADLINE_EXCEEDED; CANCELLED; UNAVAILABLE the device
//     is gone; UNIMPLEMENTED (from Prepare) an operator that the backend lacks. After an error output contents are
//     undefined.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/ir/graph.h"

namespace msq {

enum class ElementType : uint8_t {
  kCode,         // uint8_t
  kAccumulator,  // int32_t
};

// A batch of one graph tensor in row-major order, [batch, shape...]; does not own. Input codes are 0..2^bits-1: a
// larger byte is INVALID_ARGUMENT.
struct ConstTensorView {
  ElementType type = ElementType::kCode;
  int64_t batch = 0;
  std::span<const std::byte> bytes;
};
struct TensorView {
  ElementType type = ElementType::kCode;
  int64_t batch = 0;
  std::span<std::byte> bytes;
};

struct RunStatistics {
  std::optional<int64_t> cycles;
  std::optional<int64_t> dsp_busy_cycles;
  std::optional<int64_t> lut_busy_cycles;
  std::optional<int64_t> bytes_moved;
  std::optional<double> joules;
};

struct RunContext {
  absl::Time deadline = absl::InfiniteFuture();
  const std::atomic<bool>* cancelled = nullptr;  // may be null
  RunStatistics statistics;                      // out
};

struct Capabilities {
  bool reports_cycles = false;
  std::string device;  // for logs and metrics: "cpu avx512vnni", "fpga z020"
};

// What an emulated device stands for: enough to estimate what that would consume.
struct EmulatedPart {
  std::string name;                                                // "xc7z020"
  int64_t dsp_products_per_cycle = 0, lut_products_per_cycle = 0;  // that a busy cycle of the engine computes at most
};

// A device of a backend, since the start.
struct DeviceReport {
  std::string name;
  bool ready = true;
  std::string why;  // it is not
  int64_t runs = 0;
  int64_t cycles = 0;
  int64_t dsp_busy_cycles = 0, lut_busy_cycles = 0;
  int64_t dram_bytes = 0;
  absl::Duration busy;     // batches were on it, waiting included
  absl::Duration running;  // a program ran, by the host's clock; this and the counts are of programs that have ended
  std::optional<std::chrono::steady_clock::time_point> running_since = {};  // the start of the one that runs now
  int64_t quarantines = 0;
  std::optional<EmulatedPart> emulates = {};  // nothing: it is a device
  // Nothing where the driver does not tell, or does not work.
  std::optional<double> clock_hz = {};
  std::optional<int64_t> memory_bytes = {}, memory_used_bytes = {};
};

// What a device draws now, as its driver says.
struct DevicePower {
  std::string device;
  double watts = 0;
};

// What a backend tells besides its answers; empty for those without devices.
struct BackendReport {
  std::vector<DeviceReport> devices;
  int64_t verified = 0;    // answers that were computed again, elsewhere, to compare
  int64_t mismatches = 0;  // of these
  int64_t unverified = 0;  // answers of the sample that there was no time to compare
};

// What an executable takes and gives, by position.
struct TensorSpec {
  std::string name;
  ir::TensorType type;
};

class Executable {
 public:
  virtual ~Executable() = default;

  // Runs a batch: one view per graph input and output, in order, all with the same batch >= 1.
  absl::Status Run(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                   RunContext& context) const;

  // Whether a run can succeed: false while every device that it needs is out of service.
  virtual bool ready() const { return true; }

  // Batches of a multiple of this many samples waste nothing.
  virtual int64_t preferred_batch() const { return 1; }

  const std::vector<TensorSpec>& inputs() const { return inputs_; }
  const std::vector<TensorSpec>& outputs() const { return outputs_; }
  // Of the host's memory, held for weights and programs between runs; 0 where that is not counted.
  virtual int64_t weight_bytes() const { return 0; }

 protected:
  explicit Executable(const ir::Graph& graph);

  // Arguments are valid and the deadline has not passed at the call. Long runs look at context.cancelled between steps.
  virtual absl::Status DoRun(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                             RunContext& context) const = 0;

 private:
  std::vector<TensorSpec> inputs_;
  std::vector<TensorSpec> outputs_;
};

struct PrepareOptions {
  int threads = 1;         // that one Run may use, the caller's included
  std::string label = {};  // whose it is, for logs: "resnet18 version 2"; empty: the graph's name
};

// Thread-safe. Lives as long as any executable it made.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;  // "cpu", "fpga"
  virtual Capabilities capabilities() const = 0;
  virtual BackendReport Report() const { return {}; }
  // Of the devices whose drivers can tell. May take milliseconds.
  virtual std::vector<DevicePower> ReadPower() const { return {}; }

  // Precondition: ir::Verify(graph) is OK.
  virtual absl::StatusOr<std::unique_ptr<Executable>> Prepare(const ir::Graph& graph,
                                                              const PrepareOptions& options) const = 0;
};

}  // namespace msq

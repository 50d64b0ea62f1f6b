// Triton's trace extension: when each step of a sampled request began, in Triton's JSON format.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/observe/json_array_file.h"
#include "server/observe/trace_settings.h"

namespace msq::server {

// In the order of a request's life, named on the wire REQUEST_START and so on.
enum class TracePoint : uint8_t {
  kRequestStart,
  kQueueStart,
  kComputeStart,
  kComputeInputEnd,
  kComputeOutputStart,
  kComputeEnd,
  kRequestEnd,
};
inline constexpr int kTracePointCount = 7;

struct TraceRecord {
  uint64_t id = 0;  // what Sample gave
  std::string model;
  int64_t version = 0;
  std::string request_id;
  std::string backend;
  std::array<int64_t, kTracePointCount> at_ns{};  // by TracePoint, on one steady clock; 0: not reached

  int64_t& operator[](TracePoint point) { return at_ns[static_cast<size_t>(point)]; }
};

// Thread-safe. Nothing here fails a request: when the file cannot be written, an error is logged and tracing pauses
// until the settings are updated.
class Tracer {
 public:
  // `defaults` and the file are the command line's. Without a file (empty) tracing cannot be switched on.
  static absl::StatusOr<std::unique_ptr<Tracer>> Create(const std::string& trace_file, const TraceSettingMap& defaults);

  // The settings in force, of a model or (empty) global; trace_count is what is left.
  TraceSettingMap Get(std::string_view model) const;
  // An empty list of values makes a model follow the global setting again, or the global one the command line. Counting
  // starts anew. The caller checks that there is such a model. Fails with INVALID_ARGUMENT, or UNIMPLEMENTED for
  // trace_file, and then changes nothing.
  absl::Status Update(std::string_view model, const TraceSettingMap& changes);

  // An id when this request is to be traced, else 0. One atomic load while nothing is traced.
  uint64_t Sample(std::string_view model) { return active_.load(std::memory_order_relaxed) ? SampleActive(model) : 0; }
  // Appends to the trace file, or with a log_frequency to the file with the next index, of which there are 1000.
  void Write(const TraceRecord& record);

 private:
  // Settings in force and what was counted under them.
  struct Sampler {
    TraceSettings own;       // as set for it
    TraceSettings in_force;  // complete
    uint64_t seen = 0;

    bool MaySample() const { return *in_force.timestamps && *in_force.count != 0; }
  };
  struct IndexedFile {
    JsonArrayFile file;
    uint32_t traces = 0;
  };

  explicit Tracer(std::string trace_file) : trace_file_(std::move(trace_file)) {}
  absl::Status Check(const TraceSettings& in_force) const;
  uint64_t SampleActive(std::string_view model);
  void UpdateActive();
  absl::Status Append(const std::string& key, uint32_t log_frequency, std::string_view items);

  const std::string trace_file_;
  TraceSettings defaults_;
  std::atomic<bool> active_{false};

  mutable std::mutex mutex_;  // of the settings
  Sampler global_;
  std::map<std::string, Sampler, std::less<>> models_;  // those with settings of their own
  uint64_t last_id_ = 0;
  bool failed_ = false;

  std::mutex file_mutex_;  // taken without the other
  JsonArrayFile file_;
  std::map<std::string, IndexedFile> indexed_;  // by whose settings: a model's, or the global ones ("")
  uint64_t next_index_ = 0;
};

}  // namespace msq::server

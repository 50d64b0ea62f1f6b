// Collects instructions in program order: finds what each has to wait for, places WEIGHTS ahead, lays out DRAM.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"

namespace msq::fpga {

// Words of the activation memory that an instruction touches; from kSpilledWords on, words of DRAM.
inline constexpr int64_t kSpilledWords = int64_t{1} << 40;
struct Range {
  int64_t begin;
  int64_t end;
};
struct Access {
  std::vector<Range> reads;
  std::vector<Range> writes;
};

// DRAM addresses of instructions are offsets in one of these until Finish. The last holds tensors for which there is no
// room in the activation memory.
enum class Section : uint8_t { kWeights, kInputs, kOutputs, kSpilled };

// Where the sections of a finished program lie.
struct DramPlan {
  std::vector<std::byte> image;  // instructions and weights
  int64_t instructions = 0;
  int64_t inputs = 0;  // byte offsets
  int64_t outputs = 0;
  int64_t spilled = 0;
  int64_t bytes = 0;
};

class ProgramBuilder {
 public:
  explicit ProgramBuilder(const hw::Configuration& configuration) : configuration_(configuration) {}

  const hw::Configuration& configuration() const { return configuration_; }
  hw::Address Address(int64_t word) const { return hw::SplitAddress(word, configuration_.banks); }

  // Bytes for the weights section, or room in the others. Returns the offset, a multiple of 128.
  int64_t AddWeights(const std::vector<std::byte>& bytes);
  int64_t Reserve(Section section, int64_t bytes);

  // Appends instructions; wait fields are set here. An error names the field that is too small for its value.
  absl::Status Conv(const hw::WeightsFields& weights, const hw::ConvFields& conv, const Access& access);
  absl::Status Vec(const hw::VecFields& fields, const Access& access);
  absl::Status Load(const hw::LoadFields& fields, const Access& access, Section from = Section::kInputs);
  absl::Status Store(const hw::StoreFields& fields, const Access& access, Section to = Section::kOutputs);

  // Instructions so far.
  int64_t convs() const { return std::ssize(accesses_[kConv]); }
  int64_t vecs() const { return std::ssize(accesses_[kVec]); }

  absl::StatusOr<DramPlan> Finish();

 private:
  enum Unit : uint8_t { kLoad, kStore, kConv, kVec, kUnits };
  struct Entry {
    hw::AnyFields fields;
    int64_t conv = -1;                    // number of the CONV that it is
    Section section = Section::kWeights;  // of its DRAM address
  };

  template <typename Fields>
  absl::Status Append(Unit unit, Fields fields, const Access& access, Section section = Section::kWeights);
  // How many instructions of `unit` must be complete before `access` may happen.
  int64_t WaitFor(Unit unit, const Access& access) const;
  std::vector<Entry> Ordered() const;

  const hw::Configuration configuration_;
  std::vector<std::byte> weights_;
  std::array<int64_t, 4> section_bytes_{};
  std::vector<Entry> entries_;
  std::vector<hw::WeightsFields> weights_of_conv_;
  std::array<std::vector<Access>, kUnits> accesses_;  // of the instructions of each unit
};

}  // namespace msq::fpga

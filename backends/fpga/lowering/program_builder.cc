#include "backends/fpga/lowering/program_builder.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

#include "backends/fpga/lowering/image_layout.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

constexpr int64_t kDramAlignment = 128;
constexpr int64_t kMaxUnitInstructions = 32767;  // waits are compared modulo 2^16

bool Overlap(const std::vector<Range>& a, const std::vector<Range>& b) {
  return std::any_of(a.begin(), a.end(), [&b](const Range& x) {
    return std::any_of(b.begin(), b.end(), [&x](const Range& y) { return x.begin < y.end && y.begin < x.end; });
  });
}

bool Conflict(const Access& a, const Access& b) {
  return Overlap(a.writes, b.writes) || Overlap(a.writes, b.reads) || Overlap(a.reads, b.writes);
}

// Says which field has no room for its value, and for what it has room.
class MisfitFinder {
 public:
  void operator()(const hw::FieldPlace& place, int64_t value) {
    const bool is_signed = place.kind == hw::FieldKind::kSigned;
    if (!message_.empty() || hw::FitsField(value, place.width, is_signed)) return;
    const int64_t most = (int64_t{1} << (is_signed ? place.width - 1 : place.width)) - 1;
    const std::string holds = is_signed   ? absl::StrCat(-most - 1, "..", most)
                              : value < 0 ? "0 or more"
                                          : absl::StrCat("at most ", most);
    message_ = absl::StrCat(" holds ", holds, ", not ", value);
    name_ = std::string(place.name);
  }
  void operator()(const hw::FieldPlace& place, hw::Address value) {
    if (!message_.empty() || hw::FitsField(value.row, hw::kRowBits, true)) return;
    message_ = absl::StrCat(" holds distances of fewer than ", int64_t{1} << (hw::kRowBits - 1),
                            " words of a bank, not ", value.row);
    name_ = std::string(place.name);
  }

  absl::Status Found(std::string_view instruction) const {
    if (message_.empty()) return absl::OkStatus();
    return Unimplemented("field ", name_, " of ", std::string(instruction), message_);
  }

 private:
  std::string name_, message_;
};

template <typename Fields>
absl::Status CheckFits(const Fields& fields) {
  MisfitFinder finder;
  Fields::Visit(fields, finder);
  return finder.Found(Fields::kName);
}

}  // namespace

int64_t ProgramBuilder::AddWeights(const std::vector<std::byte>& bytes) {
  const auto offset = static_cast<int64_t>(weights_.size());
  weights_.insert(weights_.end(), bytes.begin(), bytes.end());
  weights_.resize(static_cast<size_t>(RoundUp(std::ssize(weights_), kDramAlignment)));
  section_bytes_[static_cast<size_t>(Section::kWeights)] = std::ssize(weights_);
  return offset;
}

int64_t ProgramBuilder::Reserve(Section section, int64_t bytes) {
  int64_t& end = section_bytes_[static_cast<size_t>(section)];
  return std::exchange(end, RoundUp(end + bytes, kDramAlignment));
}

int64_t ProgramBuilder::WaitFor(Unit unit, const Access& access) const {
  const std::vector<Access>& earlier = accesses_[unit];
  for (int64_t i = std::ssize(earlier); i > 0; --i) {
    if (Conflict(earlier[static_cast<size_t>(i - 1)], access)) return i;
  }
  return 0;
}

template <typename Fields>
absl::Status ProgramBuilder::Append(Unit unit, Fields fields, const Access& access, Section section) {
  // The instructions of a unit with one engine follow each other anyway.
  if (unit != kLoad || configuration_.loads > 1) fields.wait_load = WaitFor(kLoad, access);
  if (unit != kStore) fields.wait_store = WaitFor(kStore, access);
  if (unit != kConv) fields.wait_conv = WaitFor(kConv, access);
  if (unit != kVec || configuration_.vecs > 1) fields.wait_vec = WaitFor(kVec, access);
  MSQ_RETURN_IF_ERROR(CheckFits(fields));
  if (std::ssize(accesses_[unit]) == kMaxUnitInstructions) {
    return absl::ResourceExhaustedError("the program has more instructions than wait counts can tell apart");
  }
  entries_.push_back({fields, unit == kConv ? std::ssize(accesses_[kConv]) : -1, section});
  accesses_[unit].push_back(access);
  return absl::OkStatus();
}

absl::Status ProgramBuilder::Conv(const hw::WeightsFields& weights, const hw::ConvFields& conv, const Access& access) {
  MSQ_RETURN_IF_ERROR(CheckFits(weights));
  MSQ_RETURN_IF_ERROR(Append(kConv, conv, access));
  weights_of_conv_.push_back(weights);
  return absl::OkStatus();
}
absl::Status ProgramBuilder::Vec(const hw::VecFields& fields, const Access& access) {
  return Append(kVec, fields, access);
}
absl::Status ProgramBuilder::Load(const hw::LoadFields& fields, const Access& access, Section from) {
  return Append(kLoad, fields, access, from);
}
absl::Status ProgramBuilder::Store(const hw::StoreFields& fields, const Access& access, Section to) {
  return Append(kStore, fields, access, to);
}

// Each WEIGHTS stands kAhead - 1 CONVs before its own, so that the buffer is filled across layers. No deadlock: the unit
// and its slot take three WEIGHTS, so that WEIGHTS k + 2 waits at most for WEIGHTS k - 1 to be in the buffer, which CONV
// k - 1, dispatched before, makes room for.
std::vector<ProgramBuilder::Entry> ProgramBuilder::Ordered() const {
  constexpr size_t kAhead = 3;
  std::vector<Entry> ordered;
  for (size_t i = 0; i + 1 < kAhead && i < weights_of_conv_.size(); ++i) ordered.push_back({weights_of_conv_[i]});
  for (const Entry& entry : entries_) {
    const size_t next = static_cast<size_t>(entry.conv) + kAhead - 1;
    if (entry.conv >= 0 && next < weights_of_conv_.size()) ordered.push_back({weights_of_conv_[next]});
    ordered.push_back(entry);
  }
  ordered.push_back({hw::EndFields{}});
  return ordered;
}

absl::StatusOr<DramPlan> ProgramBuilder::Finish() {
  std::vector<Entry> ordered = Ordered();
  DramPlan plan;
  plan.instructions = std::ssize(ordered);
  const int64_t weights = RoundUp(plan.instructions * hw::kInstructionBytes, kDramAlignment);
  plan.inputs = weights + std::ssize(weights_);
  plan.outputs = plan.inputs + section_bytes_[static_cast<size_t>(Section::kInputs)];
  plan.spilled = plan.outputs + section_bytes_[static_cast<size_t>(Section::kOutputs)];
  plan.bytes = plan.spilled + section_bytes_[static_cast<size_t>(Section::kSpilled)];
  const std::array<int64_t, 4> sections = {weights, plan.inputs, plan.outputs, plan.spilled};
  plan.image.resize(static_cast<size_t>(plan.inputs));
  std::copy(weights_.begin(), weights_.end(), plan.image.begin() + weights);
  std::byte* place = plan.image.data();
  for (Entry& entry : ordered) {
    hw::Instruction instruction;
    const auto encode = [&](auto& fields) {
      if constexpr (requires { fields.dram; }) fields.dram += sections[static_cast<size_t>(entry.section)];
      return hw::Encode(fields, &instruction);
    };
    const std::string_view misfit = std::visit(encode, entry.fields);
    if (!misfit.empty()) return Unimplemented("field ", std::string(misfit), " is too small for the program's DRAM");
    std::memcpy(place, instruction.data(), hw::kInstructionBytes);
    place += hw::kInstructionBytes;
  }
  return plan;
}

}  // namespace msq::fpga

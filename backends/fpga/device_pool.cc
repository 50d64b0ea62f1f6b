#include "backends/fpga/device_pool.h"

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

constexpr int kLooksAtMost = 3;  // at an accelerator whose program may still run

}  // namespace

DevicePool::Use::~Use() {
  if (pool_ == nullptr) return;
  accelerator_.reset();  // before a probe may open its device again
  std::lock_guard lock(pool_->mutex_);
  --pool_->entries_[index_].under_way;
}

absl::StatusOr<std::unique_ptr<DevicePool>> DevicePool::Create(std::vector<Member> members,
                                                               absl::Duration probe_interval) {
  if (members.empty()) return InvalidArgument("there is no device");
  std::unique_ptr<DevicePool> pool(new DevicePool(std::move(members), probe_interval));
  const auto works = [](const Entry& entry) { return entry.accelerator != nullptr; };
  if (std::none_of(pool->entries_.begin(), pool->entries_.end(), works)) return pool->WhyNone();
  for (const Entry& entry : pool->entries_) {
    if (!works(entry))
      LogError("accelerator ", entry.member.name, " is quarantined from the start: ", entry.report.why);
  }
  pool->prober_ = std::thread([raw = pool.get()] { raw->Probe(); });
  return pool;
}

DevicePool::DevicePool(std::vector<Member> members, absl::Duration probe_interval) : probe_interval_(probe_interval) {
  for (Member& member : members) {
    Entry& entry = entries_.emplace_back();
    entry.report.name = member.name;
    entry.report.emulates = member.emulates;
    entry.member = std::move(member);
    Put(&entry, Open(entry));
  }
}

DevicePool::~DevicePool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (prober_.joinable()) prober_.join();
}

void DevicePool::Put(Entry* entry, absl::StatusOr<std::shared_ptr<Accelerator>> opened) {
  entry->why = opened.status();
  if (opened.ok()) {
    entry->accelerator = *std::move(opened);
    entry->accelerator->SetRecord(entry->record);  // not of its self-test
  }
  entry->report.ready = entry->accelerator != nullptr;
  entry->report.why = entry->report.ready ? "" : std::string(Message(entry->why));
}

absl::StatusOr<DevicePool::Use> DevicePool::Take() {
  std::lock_guard lock(mutex_);
  Entry* best = nullptr;
  for (Entry& entry : entries_) {
    if (entry.accelerator == nullptr) continue;
    if (best == nullptr || entry.under_way < best->under_way) best = &entry;
  }
  if (best != nullptr) {
    ++best->under_way;
    return Use(this, static_cast<size_t>(best - entries_.data()), best->accelerator);
  }
  return Unavailable("every accelerator is quarantined (", std::string(WhyNone().message()), ")");
}

// The cause of each, with the first one's code.
absl::Status DevicePool::WhyNone() const {
  const auto why = [](std::string* out, const Entry& entry) {
    absl::StrAppend(out, entry.member.name, ": ", entry.why.message());
  };
  return absl::Status(entries_.front().why.code(), absl::StrJoin(entries_, "; ", why));
}

absl::StatusOr<std::shared_ptr<Accelerator>> DevicePool::Open(const Entry& entry) {
  try {
    return entry.member.open(stopping_);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory to open it");
  }
}

bool DevicePool::ready() const {
  std::lock_guard lock(mutex_);
  return std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.accelerator != nullptr; });
}

void DevicePool::Quarantine(size_t device, uint64_t accelerator, const absl::Status& why) {
  std::shared_ptr<Accelerator> gone;  // after the lock
  std::map<const Program*, std::shared_ptr<DeviceProgram>> programs;
  {
    std::lock_guard lock(mutex_);
    Entry& entry = entries_[device];
    if (entry.accelerator == nullptr || entry.accelerator->id() != accelerator) return;
    gone = std::exchange(entry.accelerator, nullptr);
    if (gone->may_run_on()) entry.retired = gone, entry.looks = 0;
    programs = std::exchange(entry.programs, {});
    Put(&entry, why);
    ++entry.report.quarantines;
  }
  LogError("accelerator ", entries_[device].member.name, " is quarantined: ", why.message());
}

std::shared_ptr<DeviceProgram> DevicePool::ProgramOn(const Use& use, const Program& program) {
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[use.index_];
  const bool is_there = entry.accelerator == use.accelerator_;
  if (!is_there) return std::make_shared<DeviceProgram>(use.accelerator_, program);  // quarantined since
  std::shared_ptr<DeviceProgram>& known = entry.programs[&program];
  if (known == nullptr) known = std::make_shared<DeviceProgram>(use.accelerator_, program);
  return known;
}

void DevicePool::Forget(const Program& program) {
  std::lock_guard making(room_mutex_);               // what is forgotten makes room
  std::vector<std::shared_ptr<DeviceProgram>> gone;  // after the lock
  std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) {
    const auto found = entry.programs.find(&program);
    if (found == entry.programs.end()) continue;
    gone.push_back(std::move(found->second));
    entry.programs.erase(found);
  }
}

void DevicePool::MakeRoom(const Use& use, const Program& program) {
  std::lock_guard making(room_mutex_);
  std::vector<std::shared_ptr<DeviceProgram>> others;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [each, there] : entries_[use.index_].programs) {
      if (each != &program) others.push_back(there);
    }
  }
  for (const auto& other : others) other->DropFreeLanes();
}

void DevicePool::Probe() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, absl::ToChronoNanoseconds(probe_interval_), [this] { return stopping_.load(); })) {
    for (size_t i = 0; i < entries_.size() && !stopping_; ++i) {
      if (entries_[i].accelerator != nullptr || entries_[i].under_way > 0) continue;
      lock.unlock();
      Reopen(i);
      lock.lock();
    }
  }
}

// A program that was given up may write to memory that somebody else would get. Most end after all; what does not is
// ended by loading the design anew, if by anything.
bool DevicePool::MayReopen(Entry* entry) {
  std::shared_ptr<Accelerator> retired;
  {
    std::lock_guard lock(mutex_);
    retired = entry->retired;
  }
  if (retired == nullptr) return true;
  const absl::StatusOr<bool> is_idle = retired->IsIdle();
  const bool has_ended = is_idle.ok() && *is_idle;
  if (!has_ended && ++entry->looks < kLooksAtMost) return false;
  if (!has_ended) LogWarning("accelerator ", entry->member.name, ": a program has not ended; its memory is given back");
  std::lock_guard lock(mutex_);
  entry->retired = nullptr;
  return true;
}

// Only the probe's thread puts accelerators back, so nobody else opens this one meanwhile.
void DevicePool::Reopen(size_t index) {
  if (!MayReopen(&entries_[index])) return;
  absl::StatusOr<std::shared_ptr<Accelerator>> opened = Open(entries_[index]);
  const bool works = opened.ok();
  if (!works) LogVerbose(1, entries_[index].member.name, " stays quarantined: ", opened.status().message());
  {
    std::lock_guard lock(mutex_);
    Put(&entries_[index], std::move(opened));
  }
  if (works) LogInfo("accelerator ", entries_[index].member.name, " works again");
}

void DevicePool::CountRun(size_t device, absl::Duration busy) {
  std::lock_guard lock(mutex_);
  DeviceReport& report = entries_[device].report;
  ++report.runs;
  report.busy += busy;
}

DeviceReport DevicePool::ReportOf(const Entry& entry) {
  DeviceReport report = entry.report;
  const ProgramRecord::State programs = entry.record->state();
  report.cycles = programs.ended.cycles;
  report.dsp_busy_cycles = programs.ended.dsp_busy;
  report.lut_busy_cycles = programs.ended.lut_busy;
  report.dram_bytes = programs.ended.dram_bytes();
  report.running = programs.ended.running;
  report.running_since = programs.running_since;
  return report;
}

std::vector<std::shared_ptr<Accelerator>> DevicePool::Accelerators() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Accelerator>> accelerators;
  for (const Entry& entry : entries_) accelerators.push_back(entry.accelerator);
  return accelerators;
}

// Drivers are asked without the lock: they may take their time.
std::vector<DeviceReport> DevicePool::Reports() const {
  const std::vector<std::shared_ptr<Accelerator>> accelerators = Accelerators();
  std::vector<DeviceReport> reports;
  {
    std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) reports.push_back(ReportOf(entry));
  }
  for (size_t i = 0; i < reports.size(); ++i) {
    if (accelerators[i] == nullptr) continue;
    const Device::Memory memory = accelerators[i]->memory();
    reports[i].clock_hz = accelerators[i]->clock_hz();
    reports[i].memory_bytes = memory.bytes;
    reports[i].memory_used_bytes = memory.used_bytes;
  }
  return reports;
}

std::vector<DevicePower> DevicePool::ReadPower() const {
  const std::vector<std::shared_ptr<Accelerator>> accelerators = Accelerators();
  std::vector<DevicePower> powers;
  for (size_t i = 0; i < accelerators.size(); ++i) {
    if (accelerators[i] == nullptr) continue;
    if (const std::optional<double> watts = accelerators[i]->ReadPowerWatts()) {
      powers.push_back({entries_[i].member.name, *watts});
    }
  }
  return powers;
}

}  // namespace msq::fpga

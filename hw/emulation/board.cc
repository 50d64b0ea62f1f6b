#include "hw/emulation/board.h"

#include <algorithm>
#include <cstring>

#include "hw/regs/registers.h"

namespace msq::emulation {
namespace {

// A poller makes the program go on instead of keeping time from passing.
constexpr uint64_t kCyclesOfAPoll = 16;
// A step of time lasts so long at most, here, where the lock is held, and on the board.
constexpr std::chrono::microseconds kStep{200};
constexpr uint64_t kFewestCycles = 64;
constexpr std::chrono::microseconds kAheadAllowed{100};

}  // namespace

class Board::Access {
 public:
  explicit Access(Board* board) : lock_(board->mutex_, std::defer_lock) {
    ++board->waiting_;
    lock_.lock();
    --board->waiting_;
  }
  std::unique_lock<std::mutex>& lock() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

Board::Board() : step_cycles_(kFewestCycles), thread_([this] { PassTime(); }) {}

Board::~Board() {
  Stop();
}

void Board::Stop() {
  {
    const Access access(this);
    stopped_ = true;
    wake_.notify_all();
    interrupted_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Board::Program(std::unique_ptr<hw::Machine> machine, int clock_mhz) {
  const Access access(this);
  machine_ = std::move(machine);
  clock_mhz_ = clock_mhz;
  allocator_ = hw::DramAllocator(machine_->dram_base(), machine_->dram().size());
  commands_.clear();
  running_command_.reset();
  running_ = interrupt_enabled_ = interrupt_pending_ = false;
  step_cycles_ = kFewestCycles;
}

std::optional<uint64_t> Board::Allocate(uint64_t bytes) {
  const Access access(this);
  return allocator_.Allocate(bytes);
}

void Board::Free(uint64_t address) {
  const Access access(this);
  allocator_.Free(address);
}

bool Board::has_buffers() {
  const Access access(this);
  return !allocator_.empty();
}

std::span<std::byte> Board::Dram(uint64_t address, uint64_t bytes) {
  if (!machine_ || address < machine_->dram_base()) return {};
  const std::span<std::byte> dram = machine_->dram();
  const uint64_t offset = address - machine_->dram_base();
  if (offset > dram.size() || bytes > dram.size() - offset) return {};
  return dram.subspan(static_cast<size_t>(offset), static_cast<size_t>(bytes));
}

bool Board::Write(uint64_t address, std::span<const std::byte> bytes) {
  const Access access(this);
  const std::span<std::byte> dram = Dram(address, bytes.size());
  std::copy_n(bytes.begin(), dram.size(), dram.begin());
  return dram.size() == bytes.size();
}

bool Board::Read(uint64_t address, std::span<std::byte> bytes) {
  const Access access(this);
  const std::span<std::byte> dram = Dram(address, bytes.size());
  std::copy(dram.begin(), dram.end(), bytes.begin());
  return dram.size() == bytes.size();
}

uint32_t Board::ReadRegister(uint32_t address) {
  const Access access(this);
  if (!machine_) return ~uint32_t{0};
  if (running_) machine_->Advance(kCyclesOfAPoll);
  const uint32_t value = machine_->ReadRegister(address);
  Observe();
  return value;
}

void Board::WriteRegister(uint32_t address, uint32_t value) {
  const Access access(this);
  if (!machine_) return;
  machine_->WriteRegister(address, value);
  if (address == hw::kCtrlRegister && hw::kCtrlApStart.Of(value) != 0) {
    running_ = true;
    started_ = Clock::now();
    started_cycle_ = machine_->cycle();
    wake_.notify_all();
  }
  Observe();
}

void Board::EnableInterrupt() {
  const Access access(this);
  interrupt_enabled_ = true;
  Observe();
}

void Board::DisableInterrupt() {
  const Access access(this);
  interrupt_enabled_ = false;
}

void Board::WaitForInterrupt() {
  Access access(this);
  interrupted_.wait(access.lock(), [this] { return interrupt_pending_ || stopped_; });
  interrupt_pending_ = false;
}

void Board::Submit(Command command) {
  const Access access(this);
  commands_.push_back(std::move(command));
  wake_.notify_all();
}

bool Board::Cancel(uint64_t id) {
  const Access access(this);
  if (running_command_ && running_command_->id == id) {
    running_command_.reset();
    return true;
  }
  return std::erase_if(commands_, [id](const Command& command) { return command.id == id; }) != 0;
}

void Board::StartNextCommand() {
  if (commands_.empty() || !machine_) return;
  running_command_ = std::move(commands_.front());
  commands_.pop_front();
  for (const auto& [address, value] : running_command_->registers) machine_->WriteRegister(address, value);
  machine_->WriteRegister(hw::kCtrlRegister, hw::kCtrlApStart.mask());
  running_ = true;
  started_ = Clock::now();
  started_cycle_ = machine_->cycle();
}

void Board::Observe() {
  if (interrupt_enabled_ && machine_ && machine_->interrupt()) {
    interrupt_enabled_ = false;
    interrupt_pending_ = true;
    interrupted_.notify_all();
  }
  if (!running_) return;
  const uint32_t status = machine_->ReadRegister(hw::kStatusRegister);
  if (hw::kStatusBusy.Of(status) != 0) return;
  running_ = false;
  if (!running_command_) return;
  machine_->ReadRegister(hw::kCtrlRegister);  // clears ap_done
  const Command command = *std::exchange(running_command_, std::nullopt);
  command.done(static_cast<hw::ErrorCode>(hw::kStatusError.Of(status)) == hw::ErrorCode::kNone);
}

std::chrono::nanoseconds Board::AheadOfClock() const {
  const uint64_t cycles = machine_->cycle() - started_cycle_;
  return std::chrono::nanoseconds(cycles * 1000 / static_cast<uint64_t>(clock_mhz_)) - (Clock::now() - started_);
}

void Board::PassTime() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopped_) {
    // A program that hangs, its command cancelled, makes room for the next one.
    if (!running_ || (!running_command_ && !commands_.empty())) StartNextCommand();
    if (!running_) {
      wake_.wait(lock, [this] { return stopped_ || running_ || (machine_ && !commands_.empty()); });
      continue;
    }
    const Clock::time_point begin = Clock::now();
    machine_->Advance(step_cycles_);
    Observe();
    const uint64_t most_cycles = static_cast<uint64_t>(kStep.count() * clock_mhz_);
    step_cycles_ = Clock::now() - begin < kStep ? std::min(2 * step_cycles_, most_cycles)
                                                : std::max(step_cycles_ / 2, kFewestCycles);
    const std::chrono::nanoseconds ahead = AheadOfClock();
    if (running_ && ahead > kAheadAllowed) {
      wake_.wait_for(lock, ahead);
      continue;
    }
    lock.unlock();
    while (waiting_ > 0) std::this_thread::yield();
    lock.lock();
  }
}

}  // namespace msq::emulation

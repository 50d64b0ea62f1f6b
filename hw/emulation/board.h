// One emulated board: an accelerator with its DRAM, time that passes by itself, and the scheduler of commands that XRT
// has in the kernel.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "hw/sim/dram_allocator.h"
#include "hw/sim/machine.h"

namespace msq::emulation {

// What XRT's scheduler does with a kernel: writes registers, starts it, sees it end.
struct Command {
  uint64_t id = 0;
  std::vector<std::pair<uint32_t, uint32_t>> registers;  // address, value
  std::function<void(bool well)> done;                   // called with the board locked
};

// Thread-safe. Until Program was called there is no DRAM, and registers read as ones. Time passes while a program runs,
// no faster than the clock that it was programmed for, and in register accesses.
class Board {
 public:
  Board();
  ~Board();
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  // Another design, reset. Buffers and commands of the one before are gone.
  void Program(std::unique_ptr<hw::Machine> machine, int clock_mhz);
  // Time stands still from now on.
  void Stop();

  std::optional<uint64_t> Allocate(uint64_t bytes);
  void Free(uint64_t address);
  bool has_buffers();
  // False if [address, address + bytes) is not all DRAM.
  bool Write(uint64_t address, std::span<const std::byte> bytes);
  bool Read(uint64_t address, std::span<std::byte> bytes);

  uint32_t ReadRegister(uint32_t address);
  void WriteRegister(uint32_t address, uint32_t value);

  // The interrupt line, as the kernel hands it to a process: enabled, it comes once and is disabled then.
  void EnableInterrupt();
  void DisableInterrupt();
  void WaitForInterrupt();

  void Submit(Command command);
  // True if it was there: its `done` is not called any more. The program may still run.
  bool Cancel(uint64_t id);

 private:
  using Clock = std::chrono::steady_clock;
  // The lock, before the thread in which time passes.
  class Access;

  void PassTime();
  void StartNextCommand();
  // What the accelerator shows: interrupt, end of a program.
  void Observe();
  std::chrono::nanoseconds AheadOfClock() const;
  std::span<std::byte> Dram(uint64_t address, uint64_t bytes);

  std::mutex mutex_;
  std::atomic<int> waiting_ = 0;  // threads that want the lock
  std::condition_variable wake_;  // there is something to do for the thread
  std::condition_variable interrupted_;
  std::unique_ptr<hw::Machine> machine_;
  hw::DramAllocator allocator_;
  std::deque<Command> commands_;
  std::optional<Command> running_command_;
  bool running_ = false;  // a program
  bool interrupt_enabled_ = false, interrupt_pending_ = false;
  bool stopped_ = false;
  int clock_mhz_ = 1;
  uint64_t step_cycles_ = 0;
  Clock::time_point started_;  // the program that runs
  uint64_t started_cycle_ = 0;
  std::thread thread_;  // the last: it uses all the others
};

}  // namespace msq::emulation

// Computes a sample of the answers again, on another backend and beside the requests, and compares the bits.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "backends/backend.h"

namespace msq::fpga {

// The accelerator that gave an answer: number in the pool, and which of those that were opened there.
struct DeviceUse {
  size_t device = 0;
  uint64_t accelerator = 0;  // its id
};

// Thread-safe.
class Verifier {
 public:
  // One sample of an answer.
  struct Answer {
    std::string network;  // whose answer it is: model and version, where they are known
    std::shared_ptr<const Executable> check;
    std::vector<std::vector<std::byte>> inputs, outputs;
    std::vector<DeviceUse> devices;  // that had part in it
  };
  using OnMismatch = std::function<void(const Answer&)>;

  // `fraction` of the samples, 0 to 1, are verified. `on_mismatch` is called on the verifier's thread.
  Verifier(double fraction, OnMismatch on_mismatch);
  ~Verifier();

  // Whether the next sample is one to verify: they are spread evenly.
  bool Wants();
  // Takes the answer, or drops it when too many wait.
  void Add(Answer answer);

  // Adds to verified, mismatches and unverified.
  void Fill(BackendReport* report) const;

 private:
  void Run();
  // Whether the answer is right; an error when that cannot be told.
  static absl::StatusOr<bool> Check(const Answer& answer);
  static absl::StatusOr<bool> CheckWithMemory(const Answer& answer);

  const double fraction_;
  const OnMismatch on_mismatch_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  double due_ = 0;
  std::deque<Answer> waiting_;
  bool stopping_ = false;
  int64_t verified_ = 0, mismatches_ = 0, unverified_ = 0;
  std::thread thread_;
};

// A hash of an answer's inputs, to find it again: FNV-1a of 64 bits, as 16 hexadecimal digits.
std::string InputHash(const Verifier::Answer& answer);

}  // namespace msq::fpga

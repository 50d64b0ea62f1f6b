// When the rows of tiles are in the weight buffer, for the timing model: the WEIGHTS unit.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/timing_ports.h"

namespace msq::hw {

class TimedWeights {
 public:
  explicit TimedWeights(const Configuration& configuration);

  ReadClient* port(int i) { return &streams_[static_cast<size_t>(i)]; }

  bool Ready() const { return inside_.size() < 2; }
  void Start(const WeightsFields& fields);
  bool idle() const { return inside_.empty(); }
  // Instructions that completed since the last call.
  int TakeCompleted();

  // Weight rows since the program's beginning: complete in the buffer; given up by CONV.
  int64_t rows() const;
  void Release(int64_t rows) { released_ += rows; }
  // A tile's parameters are given up.
  void DrainTile() { ++drained_; }

 private:
  // An instruction: where its beats begin, of a port, and its rows and tiles, counted from the program's beginning.
  struct Job {
    uint64_t dram = 0, stride = 0;
    int64_t tile_beats = 0, param_beats = 0, row_beats = 0;  // of a port
    int64_t tiles = 0, weight_rows = 0;
    int64_t first_row = 0, first_tile = 0;
    int64_t beats() const { return tiles * tile_beats; }
  };
  class Stream final : public ReadClient {
   public:
    Stream(TimedWeights* owner, int port) : owner_(*owner), port_(port) {}
    std::optional<Burst> Ask() override;
    void Beat() override;
    int64_t job() const { return got_job_; }
    int64_t rows() const;

   private:
    TimedWeights& owner_;
    const int port_;
    int64_t ask_job_ = 0, asked_ = 0;  // beats of that job
    int64_t got_job_ = 0, got_ = 0;
  };

  const Job& job(int64_t number) const { return jobs_[static_cast<size_t>(number)]; }
  bool HasRoom(const Job& job, int64_t beat) const;

  const Configuration configuration_;
  std::vector<Stream> streams_;
  std::vector<Job> jobs_;
  std::deque<int64_t> inside_;
  int64_t next_row_ = 0, next_tile_ = 0;
  int64_t released_ = 0, drained_ = 0;
};

}  // namespace msq::hw

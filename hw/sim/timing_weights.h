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
  // A cycle. Instructions that completed in it.
  int Cycle();

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
    bool diagonal = false;
    int64_t first_row = 0, first_tile = 0;
    int64_t beats() const { return tiles * tile_beats; }
  };
  // A port's beats: asked for as far as its buffer has room, then put into the ring of rows one by one.
  class Stream final : public ReadClient {
   public:
    Stream(TimedWeights* owner, int port) : owner_(*owner), port_(port) {}
    std::optional<Burst> Ask() override;
    void Beat() override { ++arriving_[0]; }
    // Puts the next beat away, if it is there and has room; parameters only with the grant. True if it took the grant.
    bool Put(bool grant);
    int64_t job() const { return put_job_; }
    int64_t rows() const;

   private:
    TimedWeights& owner_;
    const int port_;
    int64_t ask_job_ = 0, asked_ = 0;    // beats of that job
    int64_t ask_at_ = 0;                 // the next burst is ready to be asked for
    int64_t used_ = 0;                   // beats asked for that are not put away
    std::array<int64_t, 3> arriving_{};  // on their way through the buffer
    int64_t buffered_ = 0;
    int64_t put_job_ = 0, put_ = 0;
  };

  const Job& job(int64_t number) const { return jobs_[static_cast<size_t>(number)]; }

  const Configuration configuration_;
  const int64_t param_tiles_;  // whose parameters there is room for
  std::vector<Stream> streams_;
  std::vector<Job> jobs_;
  std::deque<int64_t> inside_;
  int64_t now_ = 0;
  int64_t next_row_ = 0, next_tile_ = 0;
  int64_t released_ = 0, drained_ = 0;
};

}  // namespace msq::hw

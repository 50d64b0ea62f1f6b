#include "hw/sim/timing_weights.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace msq::hw {
namespace {

constexpr int64_t kBuffer = 128;  // beats of a port
constexpr int64_t kDiagonalGroup = 16;
constexpr int64_t kDiagonalBurst = 18;  // cycles in which the rows of a burst are counted up, one by one

// As msq_wgt: what 32 words of LUT memory a bit hold, two at least.
int64_t ParamTiles(const Configuration& configuration) {
  const auto groups = static_cast<unsigned>(configuration.lanes() / configuration.q);
  const int bits = std::max(1, static_cast<int>(std::bit_width(groups - 1)));
  return bits < 4 ? int64_t{1} << (4 - bits) : 2;
}

}  // namespace

TimedWeights::TimedWeights(const Configuration& configuration)
    : configuration_(configuration), param_tiles_(ParamTiles(configuration)) {
  for (int port = 0; port < configuration.ports; ++port) streams_.emplace_back(this, port);
}

void TimedWeights::Start(const WeightsFields& f) {
  const int64_t lanes = configuration_.lanes() / configuration_.ports;
  Job job;
  job.dram = static_cast<uint64_t>(f.dram);
  job.stride = static_cast<uint64_t>(f.port_stride);
  job.param_beats = f.param_rows * lanes;
  job.row_beats = f.diagonal ? lanes / kDiagonalGroup : lanes;
  job.tile_beats = job.param_beats + f.weight_rows * job.row_beats;
  job.tiles = f.tiles;
  job.diagonal = f.diagonal;
  job.weight_rows = f.weight_rows;
  job.first_row = next_row_;
  job.first_tile = next_tile_;
  next_row_ += f.tiles * f.weight_rows;
  next_tile_ += f.tiles;
  inside_.push_back(static_cast<int64_t>(jobs_.size()));
  jobs_.push_back(job);
}

int TimedWeights::Cycle() {
  ++now_;
  bool grant = true;
  for (Stream& stream : streams_) {
    if (stream.Put(grant)) grant = false;
  }
  int completed = 0;
  const auto past = [this](const Stream& stream) { return stream.job() > inside_.front(); };
  while (!inside_.empty() && std::all_of(streams_.begin(), streams_.end(), past)) {
    inside_.pop_front();
    ++completed;
  }
  return completed;
}

int64_t TimedWeights::rows() const {
  int64_t rows = std::numeric_limits<int64_t>::max();
  for (const Stream& stream : streams_) rows = std::min(rows, stream.rows());
  return rows;
}

std::optional<Burst> TimedWeights::Stream::Ask() {
  if (ask_job_ >= std::ssize(owner_.jobs_) || used_ > kBuffer - kBurstBeats || owner_.now_ < ask_at_) {
    return std::nullopt;
  }
  const Job& job = owner_.job(ask_job_);
  ask_at_ = owner_.now_ + (job.diagonal ? kDiagonalBurst : 0);
  const uint64_t address = job.dram + static_cast<uint64_t>(port_) * job.stride + 8 * static_cast<uint64_t>(asked_);
  asked_ += kBurstBeats;
  used_ += kBurstBeats;
  if (asked_ >= job.beats()) {
    ++ask_job_;
    asked_ = 0;
  }
  return Burst{address, kBurstBeats};
}

bool TimedWeights::Stream::Put(bool grant) {
  buffered_ += arriving_[2];
  arriving_ = {0, arriving_[0], arriving_[1]};
  if (buffered_ == 0) return false;
  const Job& job = owner_.job(put_job_);
  const bool filler = put_ >= job.beats();  // of the last burst
  bool parameter = false;
  if (!filler) {
    const int64_t tile = put_ / job.tile_beats, rest = put_ % job.tile_beats;
    parameter = rest < job.param_beats;
    if (parameter && (!grant || job.first_tile + tile >= owner_.drained_ + owner_.param_tiles_)) return false;
    const int64_t row = (rest - job.param_beats) / job.row_beats;
    const bool room = job.first_row + tile * job.weight_rows + row < owner_.released_ + owner_.configuration_.wdepth;
    if (!parameter && !room) return false;
  }
  --buffered_;
  --used_;
  if (++put_ == (job.beats() + kBurstBeats - 1) / kBurstBeats * kBurstBeats) {
    ++put_job_;
    put_ = 0;
  }
  return parameter;
}

int64_t TimedWeights::Stream::rows() const {
  if (put_job_ >= std::ssize(owner_.jobs_)) return owner_.next_row_;
  const Job& job = owner_.job(put_job_);
  const int64_t beats = std::min(put_, job.beats());
  const int64_t tile = beats / job.tile_beats, rest = beats % job.tile_beats;
  const int64_t rows = rest < job.param_beats ? 0 : (rest - job.param_beats) / job.row_beats;
  return job.first_row + tile * job.weight_rows + rows;
}

}  // namespace msq::hw

#include "hw/sim/timing_weights.h"

#include <algorithm>
#include <limits>

namespace msq::hw {
namespace {

constexpr int64_t kTiles = 8;  // whose parameters there is room for
constexpr int64_t kDiagonalGroup = 16;

}  // namespace

TimedWeights::TimedWeights(const Configuration& configuration) : configuration_(configuration) {
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
  job.weight_rows = f.weight_rows;
  job.first_row = next_row_;
  job.first_tile = next_tile_;
  next_row_ += f.tiles * f.weight_rows;
  next_tile_ += f.tiles;
  inside_.push_back(static_cast<int64_t>(jobs_.size()));
  jobs_.push_back(job);
}

int TimedWeights::TakeCompleted() {
  int completed = 0;
  while (!inside_.empty() && std::all_of(streams_.begin(), streams_.end(),
                                         [this](const Stream& stream) { return stream.job() > inside_.front(); })) {
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

bool TimedWeights::HasRoom(const Job& job, int64_t beat) const {
  const int64_t tile = beat / job.tile_beats, rest = beat % job.tile_beats;
  const int64_t row = rest < job.param_beats ? -1 : (rest - job.param_beats) / job.row_beats;
  return job.first_tile + tile < drained_ + kTiles &&
         job.first_row + tile * job.weight_rows + row < released_ + configuration_.wdepth;
}

std::optional<Burst> TimedWeights::Stream::Ask() {
  if (ask_job_ >= static_cast<int64_t>(owner_.jobs_.size())) return std::nullopt;
  const Job& job = owner_.job(ask_job_);
  const int64_t last = std::min(asked_ + kBurstBeats, job.beats()) - 1;
  if (!owner_.HasRoom(job, last)) return std::nullopt;
  const uint64_t address = job.dram + static_cast<uint64_t>(port_) * job.stride + 8 * static_cast<uint64_t>(asked_);
  asked_ += kBurstBeats;
  if (asked_ >= job.beats()) {
    ++ask_job_;
    asked_ = 0;
  }
  return Burst{address, kBurstBeats};
}

void TimedWeights::Stream::Beat() {
  if (++got_ < (owner_.job(got_job_).beats() + kBurstBeats - 1) / kBurstBeats * kBurstBeats) return;
  ++got_job_;
  got_ = 0;
}

int64_t TimedWeights::Stream::rows() const {
  if (got_job_ >= static_cast<int64_t>(owner_.jobs_.size())) return owner_.next_row_;
  const Job& job = owner_.job(got_job_);
  const int64_t beats = std::min(got_, job.beats());
  const int64_t tile = beats / job.tile_beats, rest = beats % job.tile_beats;
  const int64_t rows = rest < job.param_beats ? 0 : (rest - job.param_beats) / job.row_beats;
  return job.first_row + tile * job.weight_rows + rows;
}

}  // namespace msq::hw

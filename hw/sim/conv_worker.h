// Computes what a CONV makes of some pixels of one tile: bits only, written nowhere yet.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/conv_kernels.h"
#include "hw/sim/conv_lanes.h"
#include "hw/sim/conv_passes.h"
#include "hw/sim/conv_windows.h"

namespace msq::hw {

// An instruction and what it reads; nobody writes it meanwhile.
struct ConvWork {
  const Configuration& configuration;
  const ConvFields& f;
  std::span<const ConvPass> passes;
  const ConvWindows& windows;
  std::span<const uint64_t> words;  // the activation memory

  int64_t groups() const { return (f.pixels + kGroup - 1) / kGroup; }
  size_t PixelsOf(int64_t group) const { return static_cast<size_t>(std::min(kGroup, f.pixels - group * kGroup)); }
  // Of a tile: the lanes that are written, and the place of the first one among the instruction's channels.
  int64_t Written(int64_t tile) const {
    return tile + 1 == f.tiles ? f.last_groups * configuration.q : configuration.lanes();
  }
  int64_t FirstSlot(int64_t tile) const { return (f.out_half ? 8 : 0) + tile * configuration.lanes(); }

  // What becomes of a group of pixels of a tile. Codes: words of 16 lanes, [plane][lanes / 16][pixel]. Sums: words of two
  // lanes, [lanes / 2][pixel].
  size_t plane_words() const { return LanesOfBlocks(static_cast<size_t>(configuration.lanes())) / kLaneBlock * kKernelPixels; }
  size_t result_words() const { return plane_words() * (f.raw ? kLaneBlock / 2 : f.out8 ? 2 : 1); }

  static constexpr int64_t kGroup = kKernelPixels;
};

// One thread's. Made once: its memory is used again and only grows.
class ConvWorker {
 public:
  struct Groups {
    int64_t begin, end;
  };
  // These groups of the tile; `results` has work.result_words() for each. Returns the first word that was read and is none
  // of the memory.
  std::optional<int64_t> Compute(const ConvWork& work, int64_t tile, const WeightTile& weights, Groups groups,
                                 uint64_t* results);
  ConvWindows::Scratch* scratch() { return &scratch_; }

 private:
  void Accumulate(const ConvWork& work, int64_t tile, int64_t group);
  void TakeSums(const ConvWork& work, int64_t group, uint64_t* result) const;
  void TakeCodes(const ConvWork& work, int64_t tile, int64_t group, uint64_t* result);
  // Words of the tile's lanes at the pixels from word `first` on.
  void ReadResidual(const ConvWork& work, int64_t tile, int64_t group, int64_t first, uint64_t* to);
  uint64_t ReadWord(const ConvWork& work, int64_t word);

  ConvLanes lanes_;
  ConvWindows::Scratch scratch_;
  std::array<int32_t, kKernelPixels * kMaxLanes> acc_;
};

}  // namespace msq::hw

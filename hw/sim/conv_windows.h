// What the pixels of a CONV multiply: of each its window's codes, a byte each, one step's word after the other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/conv_kernels.h"
#include "hw/sim/conv_passes.h"

namespace msq::hw {

// Made once: its memory is used again and only grows.
class ConvWindows {
 public:
  // For an instruction without contradictions, of the activation memory as it is now.
  void Begin(const Configuration& configuration, const ConvFields& f, std::span<const uint64_t> words,
             std::span<const ConvPass> passes);

  // [pixel][step][16], `stride()` bytes a pixel, of up to kKernelPixels pixels from `pixel` on; until the next call for
  // this source. Call it for the tiles in order, and for all pixels of each.
  const uint8_t* Get(CodeSource source, int64_t tile, int64_t pixel, size_t count);
  size_t stride() const { return steps_.size() * kChannels; }

  // The first word that was read and is none of the memory.
  std::optional<int64_t> outside() const { return outside_; }

 private:
  struct Place {
    int64_t word, y, x;
  };

  void AddPlaces(const ConvFields& f);
  // All words that may be read, a code a byte.
  void Expand(std::span<const uint64_t> words, const ConvFields& f, bool reads_high);
  void GatherPixel(int64_t tile, int64_t pixel, size_t plane, uint8_t* to);
  const uint8_t* CodesOf(int64_t word) const { return codes_.data() + static_cast<size_t>(word - begin_) * kChannels; }

  int banks_ = 1;
  int64_t in_height_ = 0, in_width_ = 0, tile_words_ = 0;
  std::array<int64_t, 2> plane_words_{};
  std::vector<Place> pixels_;        // of the first tap
  std::vector<Place> steps_;         // relative to it
  std::vector<int64_t> offsets_;     // of the steps in `codes_`
  int64_t near_ = 0, far_ = 0;       // words of the steps that lie lowest and highest
  int64_t begin_ = 0, end_ = 0;      // words that `codes_` holds
  std::vector<uint8_t> codes_;       // [word - begin][16]
  std::array<std::array<uint8_t, kChannels>, 2> pad_{};  // of each plane
  bool are_kept_ = false;            // all pixels' windows, from the first tile on
  std::array<std::vector<uint8_t>, kCodeSources> windows_;
  std::vector<uint8_t> high_;  // of one pixel
  std::optional<int64_t> outside_;
};

}  // namespace msq::hw

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

  // As the kernels want them.
  struct Windows {
    const uint8_t* first;
    ptrdiff_t stride;
    const ptrdiff_t* offsets;
  };
  // Of a group of pixels: `count` from `pixel` on, which is a multiple of kKernelPixels. Good until the next call for this
  // source. Call it for the tiles in order, and for all pixels of each.
  Windows Get(CodeSource source, int64_t tile, int64_t pixel, size_t count);

  // The first word that was read and is none of the memory.
  std::optional<int64_t> outside() const { return outside_; }

 private:
  struct Place {
    int64_t word, y, x;
  };
  // Of a pixel's first tap.
  struct Pixel {
    Place first;
    bool is_inside;  // with all its steps in the image
  };

  void AddPlaces(const ConvFields& f);
  // All words that may be read, a code a byte.
  void Expand(std::span<const uint64_t> words, const ConvFields& f, bool reads_high);
  // Groups of pixels that lie at even distances and are inside for all their steps.
  void FindEvenGroups();
  // Such a group's windows where they are, if all are in the memory.
  std::optional<Windows> InPlace(int64_t tile, int64_t pixel, size_t count, size_t plane) const;
  size_t window_bytes() const { return steps_.size() * kChannels; }
  void GatherPixel(int64_t tile, int64_t pixel, size_t plane, uint8_t* to);
  void GatherChecked(const Place& first, int64_t base, size_t plane, uint8_t* to);
  const uint8_t* CodesOf(int64_t word) const { return codes_.data() + static_cast<size_t>(word - begin_) * kChannels; }

  int banks_ = 1;
  int64_t in_height_ = 0, in_width_ = 0, tile_words_ = 0;
  std::array<int64_t, 2> plane_words_{};
  std::vector<Pixel> pixels_;
  std::vector<Place> steps_;        // relative to it
  std::vector<ptrdiff_t> offsets_;  // of the steps in `codes_`
  std::vector<ptrdiff_t> gathered_offsets_;
  std::vector<bool> is_even_;                            // groups of pixels
  int64_t near_ = 0, far_ = 0;                           // words of the steps that lie lowest and highest
  int64_t begin_ = 0, end_ = 0;                          // words that `codes_` holds
  std::vector<uint8_t> codes_;                           // [word - begin][16]
  std::array<std::array<uint8_t, kChannels>, 2> pad_{};  // of each plane
  bool are_kept_ = false;                                // all pixels' windows, from the first tile on
  std::array<std::vector<uint8_t>, kCodeSources> windows_;
  std::vector<uint8_t> high_;  // of one pixel
  std::optional<int64_t> outside_;
};

}  // namespace msq::hw

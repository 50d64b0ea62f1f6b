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
  // What a thread needs to gather windows.
  struct Scratch {
    std::array<std::vector<uint8_t>, kCodeSources> windows;  // of a group
    std::vector<uint8_t> high;                               // of a pixel
    std::optional<int64_t> outside;                          // the first word that was read and is none of the memory
  };
  // Of a group of kKernelPixels pixels, or of the last ones. Good until the next call for this source and scratch.
  Windows Get(CodeSource source, int64_t tile, int64_t group, Scratch* scratch) const;

  // Whether all tiles read the same windows, and they are few enough to be gathered beforehand: then Keep must be called
  // for all groups before Get. Returns what `outside` has.
  bool are_kept() const { return are_kept_; }
  std::optional<int64_t> Keep(int64_t first_group, int64_t end_group, Scratch* scratch);

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
  std::optional<Windows> InPlace(CodeSource source, int64_t tile, int64_t group) const;
  std::span<const Pixel> PixelsOf(int64_t group) const;
  // Into windows one after the other.
  void Gather(CodeSource source, int64_t tile, int64_t group, uint8_t* windows, Scratch* scratch) const;
  size_t window_bytes() const { return steps_.size() * kChannels; }
  void GatherPixel(const Pixel& pixel, int64_t move, size_t plane, uint8_t* to, Scratch* scratch) const;
  void GatherChecked(const Pixel& pixel, int64_t base, size_t plane, uint8_t* to, Scratch* scratch) const;
  const uint8_t* CodesOf(int64_t word) const { return codes_.data() + static_cast<size_t>(word - begin_) * kChannels; }

  int banks_ = 1;
  int64_t in_height_ = 0, in_width_ = 0, tile_words_ = 0;
  std::array<int64_t, 2> plane_words_{};
  std::vector<Pixel> pixels_;
  std::vector<Place> steps_;         // relative to it
  std::vector<ptrdiff_t> offsets_;   // of the steps in `codes_`
  std::vector<ptrdiff_t> gathered_offsets_;
  std::vector<bool> is_even_;        // groups of pixels
  int64_t near_ = 0, far_ = 0;       // words of the steps that lie lowest and highest
  int64_t begin_ = 0, end_ = 0;      // words that `codes_` holds
  std::vector<uint8_t> codes_;       // [word - begin][16]
  std::array<std::array<uint8_t, kChannels>, 2> pad_{};  // of each plane
  std::array<bool, kCodeSources> has_{};
  bool are_kept_ = false;
  std::array<std::vector<uint8_t>, kCodeSources> kept_;
};

}  // namespace msq::hw

#include "hw/sim/conv_windows.h"

#include <algorithm>
#include <cstring>

#include "hw/sim/nibbles.h"

namespace msq::hw {
namespace {

constexpr size_t kKeptBytes = size_t{1} << 21;  // more is gathered anew for each tile, so as not to leave the L3 cache

// Puts the high codes over the low ones.
void Join(std::span<const uint8_t> high, uint8_t* low) {
  for (size_t i = 0; i < high.size(); ++i) low[i] = static_cast<uint8_t>(low[i] | high[i] << 4);
}

}  // namespace

void ConvWindows::Begin(const Configuration& configuration, const ConvFields& f, std::span<const uint64_t> words,
                        std::span<const ConvPass> passes) {
  banks_ = configuration.banks;
  in_height_ = f.in_height, in_width_ = f.in_width;
  tile_words_ = JoinAddress(f.in_tile, banks_);
  plane_words_ = {0, JoinAddress(f.in_plane, banks_)};
  pad_[0].fill(static_cast<uint8_t>(f.pad_low));
  pad_[1].fill(static_cast<uint8_t>(f.pad_high));
  outside_.reset();
  AddPlaces(f);
  FindEvenGroups();
  std::array<bool, kCodeSources> has{};
  for (const ConvPass& pass : passes) has[static_cast<size_t>(pass.source)] = true;
  Expand(words, f, has[static_cast<size_t>(CodeSource::kHigh)] || has[static_cast<size_t>(CodeSource::kBoth)]);
  const size_t all = static_cast<size_t>(f.pixels) * window_bytes();
  are_kept_ = f.tiles > 1 && tile_words_ == 0 && all <= kKeptBytes;
  for (size_t source = 0; source < kCodeSources; ++source) {
    const size_t bytes = are_kept_ ? all : kKernelPixels * window_bytes();
    if (has[source] && windows_[source].size() < bytes) windows_[source].resize(bytes);
  }
  high_.resize(window_bytes());
}

void ConvWindows::AddPlaces(const ConvFields& f) {
  pixels_.clear(), steps_.clear(), offsets_.clear(), gathered_offsets_.clear();
  const auto words = [this](Address address) { return JoinAddress(address, banks_); };
  const int64_t in_pixel = words(f.in_pixel), in_row = words(f.in_row);
  const int64_t far_y = (f.kernel_h - 1) * f.dilation_y, far_x = (f.kernel_w - 1) * f.dilation_x;
  int64_t word = words(f.in), y = f.first_y;
  for (int64_t pixel = 0, ox = 0; pixel < f.pixels; ++pixel) {
    const int64_t x = f.first_x + ox * f.stride_x;
    pixels_.push_back({{word, y, x}, y >= 0 && y + far_y < in_height_ && x >= 0 && x + far_x < in_width_});
    const bool row_ends = ++ox == f.out_width;
    word += row_ends ? in_row : in_pixel;
    if (row_ends) ox = 0, y += f.stride_y;
  }
  int64_t offset = 0;
  for (int64_t ky = 0; ky < f.kernel_h; ++ky) {
    for (int64_t kx = 0; kx < f.kernel_w; ++kx) {
      for (int64_t g = 0; g < f.channel_groups; ++g) {
        steps_.push_back({offset, ky * f.dilation_y, kx * f.dilation_x});
        gathered_offsets_.push_back(std::ssize(offsets_) * static_cast<ptrdiff_t>(kChannels));
        offsets_.push_back(offset * static_cast<ptrdiff_t>(kChannels));
        const bool tap_ends = g + 1 == f.channel_groups;
        offset += words(!tap_ends ? f.in_group : kx + 1 < f.kernel_w ? f.in_tap : f.in_tap_row);
      }
    }
  }
  // The kernels read some more.
  for (auto* offsets : {&offsets_, &gathered_offsets_}) offsets->resize((steps_.size() + 3) / 4 * 4, offsets->front());
}

void ConvWindows::Expand(std::span<const uint64_t> words, const ConvFields& f, bool reads_high) {
  const auto by_word = [](const Place& a, const Place& b) { return a.word < b.word; };
  const auto [first, last] = std::minmax_element(
      pixels_.begin(), pixels_.end(), [&](const Pixel& a, const Pixel& b) { return by_word(a.first, b.first); });
  const auto [near, far] = std::minmax_element(steps_.begin(), steps_.end(), by_word);
  near_ = near->word, far_ = far->word;
  const int64_t tiles = (f.tiles - 1) * tile_words_, plane = reads_high ? plane_words_[1] : 0;
  const int64_t begin = first->first.word + near_ + std::min<int64_t>(tiles, 0) + std::min<int64_t>(plane, 0);
  const int64_t end = last->first.word + far_ + std::max<int64_t>(tiles, 0) + std::max<int64_t>(plane, 0) + 1;
  begin_ = std::clamp<int64_t>(begin, 0, std::ssize(words));
  end_ = std::clamp<int64_t>(end, begin_, std::ssize(words));
  const auto count = static_cast<size_t>(end_ - begin_);
  if (codes_.size() < count * kChannels) codes_.resize(count * kChannels);
  const auto* from = reinterpret_cast<const uint8_t*>(words.data() + begin_);
  uint8_t* to = codes_.data();
  for (size_t i = 0; i < sizeof(uint64_t) * count; ++i) {
    to[2 * i] = from[i] & 15;
    to[2 * i + 1] = from[i] >> 4;
  }
}

void ConvWindows::FindEvenGroups() {
  is_even_.clear();
  for (size_t first = 0; first < pixels_.size(); first += kKernelPixels) {
    const auto group = std::span(pixels_).subspan(first, std::min(kKernelPixels, pixels_.size() - first));
    bool is_even = true;
    for (size_t p = 0; p < group.size() && is_even; ++p) {
      const auto distance = [&](size_t to) { return group[to].first.word - group[to - 1].first.word; };
      is_even = group[p].is_inside && (p < 2 || distance(p) == distance(1));
    }
    is_even_.push_back(is_even);
  }
}

std::optional<ConvWindows::Windows> ConvWindows::InPlace(int64_t tile, int64_t pixel, size_t count,
                                                         size_t plane) const {
  if (!is_even_[static_cast<size_t>(pixel) / kKernelPixels]) return std::nullopt;
  const auto group = std::span(pixels_).subspan(static_cast<size_t>(pixel), count);
  const int64_t move = tile * tile_words_ + plane_words_[plane];
  const auto [low, high] = std::minmax(group.front().first.word, group.back().first.word);
  if (low + move + near_ < begin_ || high + move + far_ >= end_) return std::nullopt;
  const int64_t distance = count > 1 ? group[1].first.word - group[0].first.word : 0;
  const auto stride = static_cast<ptrdiff_t>(distance * int64_t{kChannels});
  return Windows{CodesOf(group.front().first.word + move), stride, offsets_.data()};
}

ConvWindows::Windows ConvWindows::Get(CodeSource source, int64_t tile, int64_t pixel, size_t count) {
  const size_t plane = source == CodeSource::kHigh ? 1 : 0;
  if (source != CodeSource::kBoth) {
    if (const auto windows = InPlace(tile, pixel, count, plane)) return *windows;
  }
  uint8_t* windows = windows_[static_cast<size_t>(source)].data();
  if (are_kept_) windows += static_cast<size_t>(pixel) * window_bytes();
  const Windows result = {windows, static_cast<ptrdiff_t>(window_bytes()), gathered_offsets_.data()};
  if (are_kept_ && tile > 0) return result;
  for (size_t p = 0; p < count; ++p) {
    uint8_t* to = windows + p * window_bytes();
    const int64_t which = pixel + static_cast<int64_t>(p);
    GatherPixel(tile, which, plane, to);
    if (source != CodeSource::kBoth) continue;
    GatherPixel(tile, which, 1, high_.data());
    Join(high_, to);
  }
  return result;
}

void ConvWindows::GatherPixel(int64_t tile, int64_t pixel, size_t plane, uint8_t* to) {
  const auto& [first, is_inside] = pixels_[static_cast<size_t>(pixel)];
  const int64_t base = first.word + tile * tile_words_ + plane_words_[plane];
  if (base + near_ < begin_ || base + far_ >= end_) return GatherChecked(first, base, plane, to);
  const uint8_t* at = CodesOf(base);
  const size_t steps = steps_.size();
  if (is_inside) {
    for (size_t step = 0; step < steps; ++step) std::memcpy(to + step * kChannels, at + offsets_[step], kChannels);
    return;
  }
  const uint8_t* pad = pad_[plane].data();
  const auto height = static_cast<uint64_t>(in_height_), width = static_cast<uint64_t>(in_width_);
  for (size_t step = 0; step < steps; ++step) {
    const bool row = static_cast<uint64_t>(first.y + steps_[step].y) < height;
    const bool column = static_cast<uint64_t>(first.x + steps_[step].x) < width;
    std::memcpy(to + step * kChannels, row && column ? at + offsets_[step] : pad, kChannels);
  }
}

// For a window that reaches beyond what there is, which is right where that is in the padding.
void ConvWindows::GatherChecked(const Place& first, int64_t base, size_t plane, uint8_t* to) {
  for (const Place& step : steps_) {
    const int64_t y = first.y + step.y, x = first.x + step.x, word = base + step.word;
    const bool inside = y >= 0 && y < in_height_ && x >= 0 && x < in_width_;
    const bool is_there = word >= begin_ && word < end_;
    if (inside && !is_there && !outside_) outside_ = word;
    std::memcpy(to, inside && is_there ? CodesOf(word) : pad_[plane].data(), kChannels);
    to += kChannels;
  }
}

}  // namespace msq::hw

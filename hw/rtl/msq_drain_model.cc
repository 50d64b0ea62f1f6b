#include "hw/rtl/msq_drain_model.h"

#include <algorithm>
#include <random>

#include "model/numerics/requantize.h"

namespace msq::hw {
namespace {

uint64_t Low(int64_t value, int bits) {
  return static_cast<uint64_t>(value) & ((uint64_t{1} << bits) - 1);
}

int64_t Draw(std::mt19937_64& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

}  // namespace

int64_t DrainShape::Word(uint64_t address) const {
  const auto row = static_cast<int32_t>(static_cast<uint32_t>(address) << 8) >> 12;
  return int64_t{row} * banks + static_cast<int64_t>(address & 15);
}

uint64_t LaneParams::Row(int row) const {
  switch (row) {
    case 0:
      return multiplier | static_cast<uint64_t>(shift) << 17 | Low(correction, 24) << 23 |
             uint64_t{skip_multiplier} << 47;
    case 1:
      return Low(addend, 47) | uint64_t{0xffff} << 47;  // what is not B is not ours
    case 2:
      return Low(threshold, 24) | uint64_t{negative_multiplier} << 24 | uint64_t{0x7fffff} << 41;
    default:
      return Low(negative_addend, 47) | uint64_t{0xffff} << 47;
  }
}

DrainJob::DrainJob(const DrainShape& s, const DrainKind& kind, uint64_t seed) : shape(s) {
  std::mt19937_64 random(seed);
  fields.passes = kind.passes;
  fields.raw = kind.raw;
  fields.leaky = kind.leaky;
  fields.skip = kind.skip;
  fields.skip8 = kind.skip8;
  fields.out8 = kind.out8;
  fields.tiles = kind.tiles;
  fields.pixels = kind.pixels;
  fields.last_groups = kind.last_groups > 0 ? kind.last_groups : Draw(random, 1, shape.Groups());
  fields.pass_shift = Draw(random, 0, 127) << 1;
  fields.out_half = shape.Q == 8 && Draw(random, 0, 1) != 0;
  sums.resize(fields.tiles * fields.passes * fields.pixels * shape.O);
  for (uint32_t& sum : sums) sum = static_cast<uint32_t>(Draw(random, 0, 0xffffff));
  DrawLanes(random());
  Place(random());
  Expect();
}

// Shifts and addends under which codes of all values come out.
void DrainJob::DrawLanes(uint64_t seed) {
  std::mt19937_64 random(seed);
  lanes.resize(fields.tiles * shape.O);
  for (LaneParams& lane : lanes) {
    lane.multiplier = static_cast<uint32_t>(Draw(random, 1, numerics::kMultiplierLimit - 1));
    lane.negative_multiplier = static_cast<uint32_t>(Draw(random, 0, numerics::kMultiplierLimit - 1));
    lane.shift = static_cast<int>(fields.skip ? Draw(random, 20, 34) : Draw(random, 31, 39));
    // With a residual, shrink acc * M: its term must be seen beside it.
    if (fields.skip) lane.multiplier >>= 12;
    if (fields.skip && lane.multiplier == 0) lane.multiplier = 1;
    lane.skip_multiplier = static_cast<uint32_t>(Draw(random, 0, numerics::kMultiplierLimit - 1));
    if (fields.skip) lane.shift = static_cast<int>(Draw(random, 17, 24));
    lane.correction = Draw(random, -(1 << 23), (1 << 23) - 1);
    lane.threshold = Draw(random, -(1 << 23), (1 << 23) - 1);
    lane.addend = Draw(random, -2, 14) * (int64_t{1} << lane.shift) + Draw(random, -1000, 1000);
    lane.negative_addend = Draw(random, -2, 14) * (int64_t{1} << lane.shift) + Draw(random, -1000, 1000);
    if (fields.raw) lane.multiplier = 1;
    if (fields.raw) lane.addend = Draw(random, -(1 << 24), 1 << 24);
  }
}

// Lays residual and output out in words, forwards or backwards, without overlap.
void DrainJob::Place(uint64_t seed) {
  std::mt19937_64 random(seed);
  const int64_t words = (fields.tiles * shape.O + 8) / 16 + 1;
  // Either channel after channel, or the words of a tile's channels side by side, as if they were pixels.
  const int64_t word_size = fields.raw ? 8 : 1, tile_words = shape.O / 16;
  const bool beside = shape.Q != 8 && Draw(random, 0, 2) == 0;
  const int64_t pixel = word_size * (beside ? tile_words : fields.raw ? 1 : Draw(random, 1, 2));
  int64_t next = 0;
  const auto plane = [&](int64_t pixel_step, int64_t* base, int64_t* group) {
    const int64_t size = fields.pixels * pixel_step + Draw(random, 0, 5);
    const bool backwards = Draw(random, 0, 3) == 0;
    *base = next + Draw(random, 0, 7) + (backwards ? (words - 1) * size : 0);
    *group = backwards ? -size : size;
    next += words * size + 7;
  };
  int64_t out, group, skip, skip_group;
  plane(pixel, &out, &group);
  const int64_t tile = beside ? group : tile_words * group;
  if (beside) group = word_size;
  const int64_t last_group = (shape.O - shape.Q) / 16 * group;
  const int64_t out_plane = next;
  next *= 2;
  const int64_t skip_from = next;
  plane(1, &skip, &skip_group);
  const int64_t skip_plane = next - skip_from;
  next += skip_plane;
  const auto split = [&](int64_t word) { return SplitAddress(word, shape.banks); };
  fields.out = split(out);
  fields.out_pixel = split(pixel);
  fields.out_group = split(group);
  fields.out_tile = split(shape.Q == 8 ? Draw(random, -1000, 1000) : tile - last_group);
  fields.out_plane = split(out_plane);
  fields.skip_in = split(skip);
  fields.skip_group = split(skip_group);
  fields.skip_plane = split(skip_plane);
  before.resize(next + 16);
  for (uint64_t& word : before) word = random();
}

int DrainJob::Groups(int64_t tile) const {
  return static_cast<int>(tile == fields.tiles - 1 ? fields.last_groups : shape.Groups());
}

std::vector<DrainItem> DrainJob::Items() const {
  std::vector<DrainItem> items;
  for (int64_t tile = 0; tile < fields.tiles; ++tile) {
    for (int64_t first = 0; first < fields.pixels; first += shape.P) {
      const int64_t end = std::min<int64_t>(first + shape.P, fields.pixels);
      for (int pass = 0; pass < fields.passes; ++pass) {
        for (int group = 0; group < Groups(tile); ++group) {
          for (int64_t pixel = first; pixel < end; ++pixel) items.push_back({tile, pass, group, pixel});
        }
      }
    }
  }
  return items;
}

uint32_t DrainJob::Sum(const DrainItem& item, int q) const {
  const int64_t row = (item.tile * fields.passes + item.pass) * fields.pixels + item.pixel;
  return sums[row * shape.O + item.group * shape.Q + q];
}

int32_t DrainJob::Accumulator(int64_t tile, int64_t pixel, int lane) const {
  int64_t sum = 0;
  for (int pass = 0; pass < fields.passes; ++pass) {
    if (fields.pass_shift >> pass & 1) sum *= 16;
    sum += Sum({tile, pass, lane / shape.Q, pixel}, lane % shape.Q);
  }
  const uint64_t wrapped = Low(sum + Lane(tile, lane).correction, 24);
  return static_cast<int32_t>(static_cast<uint32_t>(wrapped) << 8) >> 8;
}

void DrainJob::ExpectCode(int64_t tile, int64_t pixel, int lane) {
  const int64_t channel = tile * shape.O + lane + (fields.out_half ? 8 : 0);
  const auto word = [&](Address base, Address group, int64_t pixel_step) {
    return JoinAddress(base, shape.banks) + channel / 16 * JoinAddress(group, shape.banks) + pixel * pixel_step;
  };
  // From a tile to the next one, beyond what its groups are apart.
  const int64_t tile_step = shape.Q == 8 ? 0
                                         : JoinAddress(fields.out_tile, shape.banks) -
                                               shape.Q / 16 * JoinAddress(fields.out_group, shape.banks);
  const int32_t acc = Accumulator(tile, pixel, lane);
  const LaneParams& c = Lane(tile, lane);
  const int64_t out = word(fields.out, fields.out_group, JoinAddress(fields.out_pixel, shape.banks)) + tile * tile_step;
  const int in_word = static_cast<int>(channel % 16);
  if (fields.raw) {
    const auto value = static_cast<uint32_t>(acc * int64_t{c.multiplier} + c.addend);
    uint64_t& target = after[out + in_word / 2];
    const int lowest = in_word % 2 * 32;
    target = (target & ~(uint64_t{0xffffffff} << lowest)) | uint64_t{value} << lowest;
    return;
  }
  const int bits = fields.out8 ? 8 : 4;
  int code;
  if (fields.leaky) {
    code = numerics::RequantizeLeaky(acc, static_cast<int32_t>(c.threshold), c.multiplier, c.addend,
                                     c.negative_multiplier, c.negative_addend, c.shift, bits);
  } else {
    int skip = 0;
    if (fields.skip) {
      const int64_t low = word(fields.skip_in, fields.skip_group, 1);
      skip = Nibble(low, in_word);
      if (fields.skip8) skip += 16 * Nibble(low + JoinAddress(fields.skip_plane, shape.banks), in_word);
    }
    code = numerics::RequantizeWithSkip(acc, c.multiplier, static_cast<uint8_t>(skip), c.skip_multiplier, c.addend,
                                        c.shift, bits);
  }
  const auto put = [&](int64_t at, uint64_t nibble) {
    after[at] = (after[at] & ~(uint64_t{15} << in_word * 4)) | nibble << in_word * 4;
  };
  put(out, code & 15);
  if (fields.out8) put(out + JoinAddress(fields.out_plane, shape.banks), code >> 4);
}

void DrainJob::Expect() {
  after = before;
  for (int64_t tile = 0; tile < fields.tiles; ++tile) {
    const int channels = Groups(tile) * shape.Q;
    for (int64_t pixel = 0; pixel < fields.pixels; ++pixel) {
      for (int lane = 0; lane < channels; ++lane) ExpectCode(tile, pixel, lane);
    }
    const int per_item = fields.raw ? shape.Q / 2 : (fields.out8 ? 2 : 1) * shape.Clients();
    expected_writes += Groups(tile) * fields.pixels * per_item;
  }
}

}  // namespace msq::hw

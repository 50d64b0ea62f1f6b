// Random CONV instructions as the drain sees them, and the memory that they must leave: straight from the documents.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "hw/regs/isa.h"

namespace msq::hw {

struct DrainShape {
  int P;
  int O;
  int Q;
  int banks;

  constexpr int Groups() const { return O / Q; }
  constexpr int Fifo() const { return 4 * P * Groups(); }
  constexpr int Clients() const { return Q > 16 ? Q / 16 : 1; }
  int64_t Word(uint64_t address) const;  // word number of an address field
};

// The constants of one lane in one tile.
struct LaneParams {
  uint32_t multiplier = 0, skip_multiplier = 0, negative_multiplier = 0;
  int shift = 0;
  int64_t correction = 0, addend = 0, threshold = 0, negative_addend = 0;

  uint64_t Row(int row) const;
};

// One item of the array: Q sums of one pixel in one pass.
struct DrainItem {
  int64_t tile;
  int pass;
  int group;
  int64_t pixel;
};

// What to make: everything else is drawn at random.
struct DrainKind {
  int passes = 1;
  bool raw = false;
  bool leaky = false;
  bool skip = false;
  bool skip8 = false;
  bool out8 = false;
  int tiles = 1;
  int pixels = 1;
  int last_groups = 0;  // 0: any
};

struct DrainJob {
  DrainJob(const DrainShape& shape, const DrainKind& kind, uint64_t seed);

  std::vector<DrainItem> Items() const;  // in the order of the array
  uint32_t Sum(const DrainItem& item, int q) const;
  const LaneParams& Lane(int64_t tile, int lane) const { return lanes[tile * shape.O + lane]; }

  DrainShape shape;
  ConvFields fields;
  std::vector<LaneParams> lanes;
  std::vector<uint32_t> sums;           // [tile][pass][pixel][lane]
  std::vector<uint64_t> before, after;  // the activation memory
  int64_t expected_writes = 0;          // granted requests

 private:
  int Groups(int64_t tile) const;
  void DrawLanes(uint64_t seed);
  void Place(uint64_t seed);
  void Expect();
  int32_t Accumulator(int64_t tile, int64_t pixel, int lane) const;
  void ExpectCode(int64_t tile, int64_t pixel, int lane);
  int Nibble(int64_t word, int channel) const { return static_cast<int>(before[word] >> channel * 4 & 15); }
};

}  // namespace msq::hw

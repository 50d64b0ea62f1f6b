// VEC on MSQ_BANKS banks: random instructions against a model with linear word numbers, random grants; throughput, aborts,
// empty counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include MSQ_DUT_HEADER

namespace {

constexpr int kBanks = MSQ_BANKS;
constexpr int kWords = 20000;

// A tensor in the activation memory: distances of linear word numbers. Plane 1 is used by 8-bit codes only.
struct Tensor {
  int64_t base, pixel, row, group, plane;
  int64_t Word(int64_t g, int64_t y, int64_t x, int64_t p) const {
    return base + g * group + y * row + x * pixel + p * plane;
  }
};

struct Pool {
  bool wide;
  int groups, out_height, out_width, kernel_h, kernel_w, stride_y, stride_x, in_height, in_width, first_y, first_x;
  Tensor in, out;
  int64_t TapWords() const { return int64_t{groups} * out_height * out_width * kernel_h * kernel_w * (wide ? 2 : 1); }
};

using Writes = std::vector<std::pair<int64_t, uint64_t>>;

int Code(const std::vector<uint64_t>& memory, const Pool& pool, int g, int y, int x, int channel) {
  int code = static_cast<int>(memory[pool.in.Word(g, y, x, 0)] >> (4 * channel) & 15);
  if (pool.wide) code |= static_cast<int>(memory[pool.in.Word(g, y, x, 1)] >> (4 * channel) & 15) << 4;
  return code;
}

// The instruction's meaning (N15), in the order of its writes.
Writes Model(const std::vector<uint64_t>& memory, const Pool& pool) {
  Writes writes;
  for (int g = 0; g < pool.groups; ++g) {
    for (int oy = 0; oy < pool.out_height; ++oy) {
      for (int ox = 0; ox < pool.out_width; ++ox) {
        std::array<uint64_t, 2> words = {0, 0};
        for (int channel = 0; channel < 16; ++channel) {
          int best = 0;
          for (int ky = 0; ky < pool.kernel_h; ++ky) {
            for (int kx = 0; kx < pool.kernel_w; ++kx) {
              const int y = pool.first_y + oy * pool.stride_y + ky;
              const int x = pool.first_x + ox * pool.stride_x + kx;
              if (y < 0 || y >= pool.in_height || x < 0 || x >= pool.in_width) continue;
              best = std::max(best, Code(memory, pool, g, y, x, channel));
            }
          }
          words[0] |= static_cast<uint64_t>(best & 15) << (4 * channel);
          words[1] |= static_cast<uint64_t>(best >> 4) << (4 * channel);
        }
        for (int p = 0; p < (pool.wide ? 2 : 1); ++p) writes.emplace_back(pool.out.Word(g, oy, ox, p), words[p]);
      }
    }
  }
  return writes;
}

uint32_t Address(int64_t word) {
  const int64_t bank = ((word % kBanks) + kBanks) % kBanks;
  const int64_t row = (word - bank) / kBanks;
  return (static_cast<uint32_t>(row) << 4 & 0xfffff0u) | static_cast<uint32_t>(bank);
}

int64_t Word(uint32_t address) {
  return int64_t{static_cast<int32_t>(address << 8) >> 12} * kBanks + (address & 15);
}

// Writes fields where hw/regs/instructions.json has them.
class Encoder {
 public:
  Encoder() {
    std::ifstream file("hw/regs/instructions.json");
    const nlohmann::json isa = nlohmann::json::parse(file);
    for (const auto& instruction : isa["instructions"]) {
      if (instruction["name"] != "VEC") continue;
      for (const auto& field : instruction["fields"]) {
        fields_[field["name"]] = {field["bit"].get<int>(), field["width"].get<int>()};
      }
    }
  }

  std::array<uint32_t, 32> Encode(const Pool& pool) const {
    std::array<uint32_t, 32> bits;
    bits.fill(0xa5c3960f);  // what no field covers must not matter
    const Tensor& in = pool.in;
    const Tensor& out = pool.out;
    const std::map<std::string, int64_t> values = {
        {"wide", pool.wide},
        {"groups", pool.groups},
        {"out_height", pool.out_height},
        {"out_width", pool.out_width},
        {"kernel_h", pool.kernel_h},
        {"kernel_w", pool.kernel_w},
        {"stride_y", pool.stride_y},
        {"stride_x", pool.stride_x},
        {"in_height", pool.in_height},
        {"in_width", pool.in_width},
        {"first_y", pool.first_y},
        {"first_x", pool.first_x},
        {"in", Address(in.Word(0, pool.first_y, pool.first_x, 0))},
        {"in_tap", Address(in.pixel)},
        {"in_tap_row", Address(in.row - (pool.kernel_w - 1) * in.pixel)},
        {"in_pixel", Address(pool.stride_x * in.pixel)},
        {"in_row", Address(pool.stride_y * in.row - (pool.out_width - 1) * pool.stride_x * in.pixel)},
        {"in_group", Address(in.group - (pool.out_height - 1) * pool.stride_y * in.row -
                             (pool.out_width - 1) * pool.stride_x * in.pixel)},
        {"in_plane", Address(in.plane)},
        {"out", Address(out.base)},
        {"out_pixel", Address(out.pixel)},
        {"out_row", Address(out.row - (pool.out_width - 1) * out.pixel)},
        {"out_group", Address(out.group - (pool.out_height - 1) * out.row - (pool.out_width - 1) * out.pixel)},
        {"out_plane", Address(out.plane)},
    };
    EXPECT_EQ(values.size(), fields_.size());
    for (const auto& [name, place] : fields_) {
      const int64_t value = values.at(name);
      for (int i = 0; i < place.second; ++i) {
        const int bit = place.first + i;
        bits[bit / 32] = (bits[bit / 32] & ~(1u << (bit % 32))) | static_cast<uint32_t>(value >> i & 1) << (bit % 32);
      }
    }
    return bits;
  }

 private:
  std::map<std::string, std::pair<int, int>> fields_;
};

// The unit on a memory that grants each port with a probability and keeps the contract's times.
class Bench {
 public:
  explicit Bench(uint32_t seed) : random_(seed), memory_(kWords) {
    for (uint64_t& word : memory_) word = Word64();
    dut_.rst_ni = 0;
    Cycle();
    Cycle();
    dut_.rst_ni = 1;
    Cycle();
  }

  std::vector<uint64_t>& memory() { return memory_; }
  std::mt19937& random() { return random_; }
  const Writes& writes() const { return writes_; }
  int64_t reads() const { return reads_; }
  int dones() const { return dones_; }
  int errors() const { return errors_; }
  bool idle() const { return dut_.idle_o; }
  void Abort(bool on) { dut_.abort_i = on; }
  void Grant(int percent) { percent_ = percent; }
  void Forget() {
    writes_.clear();
    reads_ = dones_ = errors_ = 0;
  }

  // Hands an instruction over and runs until it is done (or an error), or, with `cycles`, that long at most.
  int Run(const Pool& pool, int cycles = 1 << 22) {
    const std::array<uint32_t, 32> bits = encoder_.Encode(pool);
    std::copy(bits.begin(), bits.end(), &dut_.cmd_instr_i[0]);
    dut_.cmd_valid_i = 1;
    dut_.eval();
    while (!dut_.cmd_ready_o) Cycle();
    Cycle();
    dut_.cmd_valid_i = 0;
    for (int i = 0; i < 32; ++i) dut_.cmd_instr_i[i] = random_();
    const int before = dones_ + errors_;
    int used = 1;
    for (; dones_ + errors_ == before && used < cycles; ++used) Cycle();
    return used;
  }

  void Cycle() {
    const bool reset = !dut_.rst_ni;
    dut_.vr_ready_i = Chance();
    dut_.vw_ready_i = Chance();
    dut_.clk_i = 0;
    dut_.vr_rvalid_i = pipe_[2].has_value();
    dut_.vr_rdata_i = pipe_[2].value_or(Word64());
    dut_.eval();
    if (!reset) Observe();
    pipe_[2] = pipe_[1];
    pipe_[1] = pipe_[0];
    pipe_[0].reset();
    if (!reset && dut_.vr_valid_o && dut_.vr_ready_i) {
      const int64_t word = Word(dut_.vr_addr_o);
      EXPECT_TRUE(word >= 0 && word < kWords) << word;
      pipe_[0] = word >= 0 && word < kWords ? memory_[word] : 0;
      ++reads_;
    }
    if (!reset && dut_.vw_valid_o && dut_.vw_ready_i) writes_.emplace_back(Word(dut_.vw_addr_o), dut_.vw_data_o);
    dut_.clk_i = 1;
    dut_.eval();
  }

 private:
  struct Held {
    uint32_t address;
    uint64_t data;
  };

  bool Chance() { return static_cast<int>(random_() % 100) < percent_; }
  uint64_t Word64() { return uint64_t{random_()} << 32 | random_(); }

  // What was refused must stay as it is; done_o comes only when every write was granted.
  void Observe() {
    if (held_read_) {
      EXPECT_TRUE(dut_.vr_valid_o);
      EXPECT_EQ(dut_.vr_addr_o, held_read_->address);
    }
    if (held_write_) {
      EXPECT_TRUE(dut_.vw_valid_o);
      EXPECT_EQ(dut_.vw_addr_o, held_write_->address);
      EXPECT_EQ(dut_.vw_data_o, held_write_->data);
    }
    held_read_.reset();
    held_write_.reset();
    if (dut_.vr_valid_o && !dut_.vr_ready_i) held_read_ = Held{dut_.vr_addr_o, 0};
    if (dut_.vw_valid_o && !dut_.vw_ready_i) held_write_ = Held{dut_.vw_addr_o, dut_.vw_data_o};
    if (dut_.done_o) {
      EXPECT_FALSE(dut_.vw_valid_o);
      EXPECT_TRUE(dut_.idle_o);
      ++dones_;
    }
    if (dut_.error_o) ++errors_;
  }

  std::mt19937 random_;
  MSQ_DUT dut_;
  Encoder encoder_;
  std::vector<uint64_t> memory_;
  std::array<std::optional<uint64_t>, 3> pipe_;
  std::optional<Held> held_read_, held_write_;
  Writes writes_;
  int percent_ = 100;
  int64_t reads_ = 0;
  int dones_ = 0, errors_ = 0;
};

int Between(std::mt19937& random, int low, int high) {
  return low + static_cast<int>(random() % (high - low + 1));
}

// A tensor of planes of rows of pixels, with a gap here and there, in the half of the memory that begins at `base`.
Tensor Place(std::mt19937& random, int64_t base, int groups, int height, int width) {
  Tensor tensor;
  tensor.pixel = Between(random, 1, 2);
  tensor.row = width * tensor.pixel + Between(random, 0, 3);
  tensor.group = height * tensor.row + Between(random, 0, 9);
  tensor.plane = groups * tensor.group + Between(random, 0, 9);
  tensor.base = base + Between(random, 0, 20);
  return tensor;
}

Pool RandomPool(std::mt19937& random) {
  Pool pool;
  pool.wide = random() % 2;
  pool.groups = Between(random, 1, 3);
  pool.kernel_h = Between(random, 1, 4);
  pool.kernel_w = Between(random, 1, 4);
  pool.stride_y = Between(random, 1, 3);
  pool.stride_x = Between(random, 1, 3);
  pool.in_height = Between(random, 1, 12);
  pool.in_width = Between(random, 1, 12);
  pool.out_height = Between(random, 1, 7);
  pool.out_width = Between(random, 1, 7);
  pool.first_y = Between(random, -4, 3);
  pool.first_x = Between(random, -4, 3);
  pool.in = Place(random, 0, pool.groups, pool.in_height, pool.in_width);
  pool.out = Place(random, kWords / 2, pool.groups, pool.out_height, pool.out_width);
  if (random() % 4 == 0) pool.in.row = -pool.in.row, pool.in.base += 12 * 30;  // upside down: negative distances
  return pool;
}

TEST(VecTest, EqualsTheModelUnderRandomGrants) {
  Bench bench(11);
  int64_t words = 0, outside = 0;
  for (int i = 0; i < 3000; ++i) {
    const Pool pool = RandomPool(bench.random());
    constexpr std::array<int, 5> kGrants = {100, 80, 50, 20, 5};
    bench.Grant(kGrants[bench.random()() % kGrants.size()]);
    bench.Forget();
    bench.Run(pool);
    const Writes expected = Model(bench.memory(), pool);
    ASSERT_EQ(bench.writes(), expected) << "instruction " << i;
    ASSERT_EQ(bench.dones(), 1);
    ASSERT_EQ(bench.errors(), 0);
    ASSERT_LE(bench.reads(), pool.TapWords());
    words += static_cast<int64_t>(expected.size());
    outside += pool.TapWords() - bench.reads();
  }
  EXPECT_GT(words, 100000);
  EXPECT_GT(outside, 100000);
}

Pool Map(bool wide, int kernel, int stride, int size, int groups) {
  Pool pool = {};
  pool.wide = wide;
  pool.groups = groups;
  pool.kernel_h = pool.kernel_w = kernel;
  pool.stride_y = pool.stride_x = stride;
  pool.in_height = pool.in_width = size;
  pool.out_height = pool.out_width = size / stride;
  pool.first_y = pool.first_x = kernel == 3 ? -1 : 0;
  pool.in = {0, 1, size, size * size, int64_t{groups} * size * size};
  const int64_t out = pool.out_width;
  pool.out = {kWords / 2, 1, out, out * out, groups * out * out};
  return pool;
}

TEST(VecTest, TakesOneTapWordACycle) {
  Bench bench(12);
  int checked = 0;
  for (const bool wide : {false, true}) {
    for (const auto& [kernel, stride] : {std::pair{1, 1}, {2, 2}, {3, 2}, {1, 2}}) {
      const Pool pool = Map(wide, kernel, stride, 28, 4);
      bench.Forget();
      const int cycles = bench.Run(pool);
      ASSERT_EQ(bench.writes(), Model(bench.memory(), pool));
      EXPECT_LE(cycles, pool.TapWords() + 17) << "kernel " << kernel << (wide ? " wide" : "");
      ++checked;
    }
  }
  EXPECT_EQ(checked, 8);
}

TEST(VecTest, KeepsTheLargestFields) {
  Bench bench(13);
  Pool pool = Map(false, 1, 1, 1, 1);
  pool.in_width = 4095;
  pool.out_width = 273;
  pool.stride_x = 15;
  pool.kernel_w = 31;
  pool.in.row = 4095;
  pool.out.row = 273;
  bench.Run(pool);
  EXPECT_EQ(bench.writes(), Model(bench.memory(), pool));
  bench.Forget();
  pool = Map(true, 1, 1, 1, 4095);  // coordinates far outside beside many groups
  pool.out_height = 2;
  pool.stride_y = 15;
  pool.in.plane = 0;
  pool.out = {kWords / 2, 1, 0, 2, 1};
  pool.in.group = 2;
  bench.Run(pool);
  EXPECT_EQ(bench.writes(), Model(bench.memory(), pool));
  EXPECT_EQ(bench.writes().size(), 4095u * 4);
  bench.Forget();
  pool = Map(false, 1, 1, 1, 1);  // the largest coordinate: 65535
  pool.in_height = pool.out_height = pool.first_y = 4095;
  pool.kernel_h = 31;
  pool.stride_y = 15;
  pool.in.row = pool.out.row = 1;
  bench.Run(pool);
  EXPECT_EQ(bench.reads(), 0);
  EXPECT_EQ(bench.writes(), Model(bench.memory(), pool));
}

TEST(VecTest, AnAbortEndsItWithoutDone) {
  Bench bench(14);
  int64_t written = 0;
  for (int i = 0; i < 200; ++i) {
    Pool pool = RandomPool(bench.random());
    pool.out_height = pool.out_width = 7;
    pool.groups = 2;
    pool.in = Place(bench.random(), 0, 2, pool.in_height, pool.in_width);
    pool.out = Place(bench.random(), kWords / 2, 2, 7, 7);
    bench.Grant(Between(bench.random(), 10, 100));
    bench.Forget();
    bench.Run(pool, Between(bench.random(), 1, 80));
    bench.Abort(true);
    int cycles = 0;
    for (; !bench.idle() && cycles < 2000; ++cycles) bench.Cycle();
    ASSERT_TRUE(bench.idle());
    const Writes expected = Model(bench.memory(), pool);
    ASSERT_LE(bench.writes().size(), expected.size());
    ASSERT_TRUE(std::equal(bench.writes().begin(), bench.writes().end(), expected.begin()));
    written += static_cast<int64_t>(bench.writes().size());
    for (int c = 0; c < 10; ++c) bench.Cycle();
    ASSERT_EQ(bench.dones(), 0);
    bench.Abort(false);
    bench.Forget();
    bench.Run(pool);  // and the next one is whole
    ASSERT_EQ(bench.writes(), expected);
    ASSERT_EQ(bench.dones(), 1);
  }
  EXPECT_GT(written, 1000);
}

TEST(VecTest, ACountOfZeroIsAnError) {
  Bench bench(15);
  const Pool good = Map(false, 2, 2, 8, 2);
  for (const auto field : {&Pool::groups, &Pool::out_height, &Pool::out_width, &Pool::kernel_h, &Pool::kernel_w}) {
    Pool pool = good;
    pool.*field = 0;
    bench.Forget();
    bench.Run(pool);
    for (int c = 0; c < 10; ++c) bench.Cycle();
    EXPECT_EQ(bench.errors(), 1);
    EXPECT_EQ(bench.dones(), 0);
    EXPECT_TRUE(bench.idle());
    EXPECT_TRUE(bench.writes().empty());
    bench.Forget();
    bench.Run(good);
    EXPECT_EQ(bench.writes(), Model(bench.memory(), good));
  }
}

}  // namespace

// Every field of every instruction survives encoding, what does not fit is refused, and addresses add up.
#include "hw/regs/isa.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <variant>

#include "hw/regs/configurations.h"
#include "hw/regs/registers.h"

namespace msq::hw {
namespace {

template <typename Fields>
class IsaTest : public testing::Test {};
using Structures = testing::Types<EndFields, WeightsFields, LoadFields, StoreFields, ConvFields, VecFields>;
TYPED_TEST_SUITE(IsaTest, Structures);

int64_t Lowest(const FieldPlace& place) {
  return place.kind == FieldKind::kSigned ? -(int64_t{1} << (place.width - 1)) : 0;
}
int64_t Highest(const FieldPlace& place) {
  return (int64_t{1} << (place.kind == FieldKind::kSigned ? place.width - 1 : place.width)) - 1;
}

// Gives each field a value: the lowest, the highest or any one.
class Fill {
 public:
  explicit Fill(uint64_t seed) : random_(seed) {}

  void operator()(const FieldPlace&, bool& value) { value = (random_() & 1) != 0; }
  void operator()(const FieldPlace& place, int64_t& value) { value = Pick(Lowest(place), Highest(place)); }
  void operator()(const FieldPlace&, Address& value) { value = {Pick(-(1 << 19), (1 << 19) - 1), Pick(0, 15)}; }

 private:
  int64_t Pick(int64_t low, int64_t high) {
    const uint64_t choice = random_() % 4;
    return choice == 0 ? low : choice == 1 ? high : std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  std::mt19937_64 random_;
};

TYPED_TEST(IsaTest, EveryFieldSurvives) {
  int checked = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    TypeParam fields;
    Fill fill(seed);
    TypeParam::Visit(fields, fill);
    Instruction instruction;
    ASSERT_EQ(Encode(fields, &instruction), "");
    TypeParam decoded;
    ASSERT_TRUE(Decode(instruction, &decoded));
    ASSERT_EQ(decoded, fields);
    const std::optional<AnyFields> any = DecodeAny(instruction);
    ASSERT_TRUE(any.has_value());
    ASSERT_EQ(std::get<TypeParam>(*any), fields);
    ++checked;
  }
  EXPECT_EQ(checked, 2000);
}

// The bits above the opcode that are 1.
template <typename Fields>
std::set<int> OneBits(const Fields& fields) {
  Instruction instruction;
  EXPECT_EQ(Encode(fields, &instruction), "");
  std::set<int> bits;
  for (int bit = 8; bit < kInstructionBytes * 8; ++bit) {
    if ((instruction[bit / 64] >> (bit % 64) & 1) != 0) bits.insert(bit);
  }
  return bits;
}

// Fills field number `which` with ones, or puts in what is just above its range; counts the fields.
class SetOne {
 public:
  SetOne(int which, bool above) : which_(which), above_(above) {}

  void operator()(const FieldPlace& place, bool& value) {
    if (IsIt(place)) value = true;
  }
  void operator()(const FieldPlace& place, int64_t& value) {
    if (!IsIt(place)) return;
    value = place.kind == FieldKind::kSigned ? -1 : Highest(place);
    if (above_) value = Highest(place) + 1;
  }
  void operator()(const FieldPlace& place, Address& value) {
    if (!IsIt(place)) return;
    value = {-1, 15};
    if (above_) value.row = 1 << 19;
  }
  int count() const { return count_; }
  const FieldPlace& place() const { return place_; }

 private:
  bool IsIt(const FieldPlace& place) {
    if (count_++ != which_) return false;
    place_ = place;
    return true;
  }

  int which_;
  bool above_;
  int count_ = 0;
  FieldPlace place_ = kOpcodePlace;
};

TYPED_TEST(IsaTest, FieldsLieWhereTheTableSays) {
  int count = 1;
  for (int which = 0; which < count; ++which) {
    TypeParam fields;
    SetOne set(which, false);
    TypeParam::Visit(fields, set);
    count = set.count();
    std::set<int> expected;
    for (int i = 0; i < set.place().width; ++i) expected.insert(set.place().bit + i);
    EXPECT_EQ(OneBits(fields), expected) << set.place().name;
  }
  EXPECT_GE(count, 4);
}

TYPED_TEST(IsaTest, WhatDoesNotFitIsNamed) {
  int count = 1;
  int refused = 0;
  for (int which = 0; which < count; ++which) {
    TypeParam fields;
    SetOne set(which, true);
    TypeParam::Visit(fields, set);
    count = set.count();
    const bool is_flag = set.place().width == 1;
    Instruction instruction;
    EXPECT_EQ(Encode(fields, &instruction), is_flag ? "" : set.place().name);
    refused += is_flag ? 0 : 1;
  }
  EXPECT_GE(refused, 4);
}

TEST(EncodeTest, RefusesBelowTheRangeToo) {
  Instruction instruction;
  EXPECT_EQ(Encode(ConvFields{.tiles = -1}, &instruction), "tiles");
  EXPECT_EQ(Encode(ConvFields{.first_y = -4097}, &instruction), "first_y");
  EXPECT_EQ(Encode(ConvFields{.first_y = -4096}, &instruction), "");
  EXPECT_EQ(Encode(ConvFields{.out = {.row = -(1 << 19) - 1, .bank = 0}}, &instruction), "out");
  EXPECT_EQ(Encode(ConvFields{.out = {.row = 0, .bank = -1}}, &instruction), "out");
  EXPECT_EQ(Encode(ConvFields{.out = {.row = 0, .bank = 16}}, &instruction), "out");
  EXPECT_EQ(Encode(LoadFields{.dram = int64_t{1} << 48, .rows = 1 << 16}, &instruction), "dram");  // the first of two
}

TEST(DecodeTest, KnowsOpcodes) {
  Instruction instruction = {};
  EXPECT_FALSE(DecodeAny(instruction).has_value());
  instruction[0] = 7;
  EXPECT_FALSE(DecodeAny(instruction).has_value());
  EXPECT_EQ(Encode(VecFields{.groups = 3}, &instruction), "");
  EXPECT_EQ(instruction[0] & 0xff, 6u);
  ConvFields conv;
  EXPECT_FALSE(Decode(instruction, &conv));
  EXPECT_EQ(conv, ConvFields{});
}

TEST(EncodeTest, IsConstant) {
  constexpr int64_t kGroups = [] {
    Instruction instruction;
    VecFields fields;
    return Encode(VecFields{.groups = 5}, &instruction).empty() && Decode(instruction, &fields) ? fields.groups : 0;
  }();
  static_assert(kGroups == 5);
}

TEST(AddressTest, AddsLikeWordNumbers) {
  int checked = 0;
  for (const Configuration& configuration : kConfigurations) {
    const int banks = configuration.banks;
    for (int a = -40; a < 40; ++a) {
      EXPECT_EQ(JoinAddress(SplitAddress(a, banks), banks), a);
      EXPECT_GE(SplitAddress(a, banks).bank, 0);
      EXPECT_LT(SplitAddress(a, banks).bank, banks);
      for (int b = -40; b < 40; ++b) {
        ASSERT_EQ(AddAddress(SplitAddress(a, banks), SplitAddress(b, banks), banks), SplitAddress(a + b, banks));
        ++checked;
      }
    }
  }
  EXPECT_GE(checked, 80 * 80);
}

TEST(ConfigurationTest, IsFoundByName) {
  std::set<uint32_t> ids;
  for (const Configuration& configuration : kConfigurations) {
    EXPECT_EQ(FindConfiguration(configuration.name), &configuration);
    EXPECT_GT(configuration.banks, configuration.p) << configuration.name;
    EXPECT_EQ(configuration.lanes() % configuration.ports, 0) << configuration.name;
    ids.insert(configuration.build_id);
  }
  EXPECT_EQ(ids.size(), kConfigurations.size());
  EXPECT_EQ(FindConfiguration("none"), nullptr);
}

TEST(RegistersTest, BitsAreTakenOut) {
  EXPECT_EQ(kStatusError.mask(), 0xfu);
  EXPECT_EQ(kStatusBusy.Of(0x105), 1u);
  EXPECT_EQ(kConfigArrayDrain.Of(0x10abcdef), 0x10u);
  EXPECT_EQ(ErrorName(2), "act_range");
  EXPECT_EQ(ErrorName(15), "unknown");
  EXPECT_EQ(kCounterBase + 8 * static_cast<uint32_t>(Counter::kDoneVec), kDoneVecLoRegister);
}

TEST(LanesTest, AllDspLanesHaveAPlace) {
  for (const Configuration& configuration : kConfigurations) {
    int dsp = 0;
    for (int l = 0; l < configuration.lanes(); ++l) dsp += configuration.is_dsp(l) ? 1 : 0;
    EXPECT_EQ(dsp, configuration.f) << configuration.name;
  }
}

TEST(LanesTest, EverySixteenLanesAreAlikeWhereTheyCanBe) {
  const Configuration& z020 = *FindConfiguration("z020");
  EXPECT_EQ(z020.lane_period(), 16);
  for (int l = 0; l < z020.lanes(); ++l) EXPECT_EQ(z020.is_dsp(l), l % 16 < 6) << l;
  const Configuration& paper = *FindConfiguration("paper_z045");  // 16 of 48: no whole number in 16
  EXPECT_EQ(paper.lane_period(), 48);
  for (int l = 0; l < paper.lanes(); ++l) EXPECT_EQ(paper.is_dsp(l), l < 16) << l;
}

}  // namespace
}  // namespace msq::hw

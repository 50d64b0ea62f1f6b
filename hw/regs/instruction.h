// The 1024 bits of an instruction, addresses of the activation memory, and how fields are put into bits and taken out.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace msq::hw {

inline constexpr int kInstructionBytes = 128;
inline constexpr int kBankBits = 4;
inline constexpr int kRowBits = 20;

// Bit i of the instruction is bit i % 64 of word i / 64: in memory it is the words in order, little-endian.
using Instruction = std::array<uint64_t, kInstructionBytes / 8>;

// A word of the activation memory, or a distance between two. A distance may be negative: its row is, its bank never.
struct Address {
  int64_t row = 0;
  int64_t bank = 0;

  constexpr bool operator==(const Address&) const = default;
};

// Word number -> address, rounding the row down; and back.
constexpr Address SplitAddress(int64_t word, int banks) {
  const int64_t bank = ((word % banks) + banks) % banks;
  return {(word - bank) / banks, bank};
}
constexpr int64_t JoinAddress(Address address, int banks) {
  return address.row * banks + address.bank;
}

// As the hardware adds, but that rows do not wrap.
constexpr Address AddAddress(Address a, Address b, int banks) {
  const int64_t bank = a.bank + b.bank;
  const int64_t carry = bank >= banks ? 1 : 0;
  return {a.row + b.row + carry, bank - carry * banks};
}

enum class FieldKind : uint8_t { kUnsigned, kSigned, kAddress };

// Where a field lies. No field crosses a word.
struct FieldPlace {
  std::string_view name;
  int bit;
  int width;
  FieldKind kind;
};

constexpr bool FitsField(int64_t value, int width, bool is_signed) {
  const int64_t end = int64_t{1} << (is_signed ? width - 1 : width);
  return value < end && value >= (is_signed ? -end : 0);
}

constexpr void PutBits(uint64_t value, int bit, int width, Instruction* instruction) {
  const uint64_t mask = ((uint64_t{1} << width) - 1) << (bit % 64);
  uint64_t& word = (*instruction)[bit / 64];
  word = (word & ~mask) | ((value << (bit % 64)) & mask);
}

constexpr int64_t TakeBits(const Instruction& instruction, int bit, int width, bool is_signed) {
  const uint64_t value = instruction[bit / 64] >> (bit % 64) & ((uint64_t{1} << width) - 1);
  const bool negative = is_signed && (value >> (width - 1)) != 0;
  return static_cast<int64_t>(value) - (negative ? int64_t{1} << width : 0);
}

// Visitors of a structure of fields: see Encode and Decode.
class FieldEncoder {
 public:
  explicit constexpr FieldEncoder(Instruction* instruction) : instruction_(instruction) {}

  constexpr void operator()(const FieldPlace& place, int64_t value) {
    Check(place, FitsField(value, place.width, place.kind == FieldKind::kSigned));
    PutBits(static_cast<uint64_t>(value), place.bit, place.width, instruction_);
  }
  constexpr void operator()(const FieldPlace& place, Address value) {
    Check(place, FitsField(value.bank, kBankBits, false) && FitsField(value.row, kRowBits, true));
    PutBits(static_cast<uint64_t>(value.bank), place.bit, kBankBits, instruction_);
    PutBits(static_cast<uint64_t>(value.row), place.bit + kBankBits, kRowBits, instruction_);
  }
  constexpr std::string_view misfit() const { return misfit_; }

 private:
  constexpr void Check(const FieldPlace& place, bool fits) {
    if (!fits && misfit_.empty()) misfit_ = place.name;
  }

  Instruction* instruction_;
  std::string_view misfit_;
};

class FieldDecoder {
 public:
  explicit constexpr FieldDecoder(const Instruction& instruction) : instruction_(instruction) {}

  constexpr void operator()(const FieldPlace& place, bool& value) const {
    value = TakeBits(instruction_, place.bit, place.width, false) != 0;
  }
  constexpr void operator()(const FieldPlace& place, int64_t& value) const {
    value = TakeBits(instruction_, place.bit, place.width, place.kind == FieldKind::kSigned);
  }
  constexpr void operator()(const FieldPlace& place, Address& value) const {
    value.bank = TakeBits(instruction_, place.bit, kBankBits, false);
    value.row = TakeBits(instruction_, place.bit + kBankBits, kRowBits, true);
  }

 private:
  const Instruction& instruction_;
};

inline constexpr FieldPlace kOpcodePlace = {"opcode", 0, 8, FieldKind::kUnsigned};

// Fields is one of the structures of hw/regs/isa.h. Returns the name of the first field whose value does not fit in its
// bits, then *instruction is not to be used; or nothing, then all is well. Bits of no field are 0.
template <typename Fields>
[[nodiscard]] constexpr std::string_view Encode(const Fields& fields, Instruction* instruction) {
  *instruction = {};
  FieldEncoder encoder(instruction);
  encoder(kOpcodePlace, static_cast<int64_t>(Fields::kOpcode));
  Fields::Visit(fields, encoder);
  return encoder.misfit();
}

// False, and *fields as it was, when the instruction is another one.
template <typename Fields>
[[nodiscard]] constexpr bool Decode(const Instruction& instruction, Fields* fields) {
  if (TakeBits(instruction, kOpcodePlace.bit, kOpcodePlace.width, false) != static_cast<int64_t>(Fields::kOpcode)) {
    return false;
  }
  FieldDecoder decoder(instruction);
  Fields::Visit(*fields, decoder);
  return true;
}

}  // namespace msq::hw

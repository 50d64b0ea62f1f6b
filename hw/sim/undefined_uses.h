// Finds what an instruction does that the programmer's guide leaves undefined: words of the activation memory that it
// writes twice, or reads and writes, and coordinates that the hardware does not hold.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "hw/regs/configurations.h"
#include "hw/regs/isa.h"
#include "hw/sim/conv_lanes.h"

namespace msq::hw {

class UndefinedUses {
 public:
  explicit UndefinedUses(const Configuration& configuration);

  // Of an instruction whose fields do not contradict each other. Empty: there are none. Words outside the memory are left
  // to whoever executes it.
  // `tiles` begins with those that a CONV takes: words that meet no weight but 0 are not read. Tiles of another size are
  // left to whoever executes it, too.
  std::string Find(const ConvFields& f, const std::deque<WeightTile>& tiles);
  std::string Find(const VecFields& f);
  std::string Find(const LoadFields& f);

 private:
  // Half a word: Q = 8 writes halves.
  struct Half {
    int64_t word, half;
  };
  static constexpr int64_t kNobody = -1;

  void Begin();
  // `writer` is another one for each write of the instruction.
  void Write(Half half, int64_t writer);
  void WriteWord(int64_t word, int64_t writer);
  // `unless_by` may write what it reads itself.
  void Read(Half half, int64_t unless_by);
  void ReadWord(int64_t word);
  void WriteOutputs(const ConvFields& f);
  // Whether a step of passes over a plane has a weight: [plane][step].
  using Steps = std::array<std::vector<bool>, 2>;
  Steps StepsWithWeights(const ConvFields& f, const WeightTile& tile, int64_t number) const;
  void ReadInputs(const ConvFields& f, const Steps& steps, int64_t tile);
  void ReadResidual(const ConvFields& f);
  // Calls visit(channel half, pixel, tile) for each eight channels of a pixel that are written.
  template <typename Visit>
  void ForEachOutput(const ConvFields& f, const Visit& visit) const;
  // Calls take(word) and put(word) for each word of the low codes that is read and written.
  template <typename Take, typename Put>
  void Walk(const VecFields& f, const Take& take, const Put& put) const;
  int64_t Word(Address address) const { return JoinAddress(address, configuration_.banks); }
  bool Has(int64_t word) const { return word >= 0 && 2 * word < std::ssize(writers_); }

  const Configuration configuration_;
  std::vector<int64_t> writers_;  // of each half word
  std::vector<size_t> written_;
  std::string found_;
};

}  // namespace msq::hw

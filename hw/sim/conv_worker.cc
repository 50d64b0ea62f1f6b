#include "hw/sim/conv_worker.h"

#include <utility>

namespace msq::hw {
namespace {

// Accumulators are modulo 2^24.
int32_t Wrap24(uint32_t sum) {
  return static_cast<int32_t>(sum << 8) >> 8;
}

const ConvKernels& Kernels() {
  static const ConvKernels& kernels = FastestConvKernels();
  return kernels;
}

}  // namespace

std::optional<int64_t> ConvWorker::Compute(const ConvWork& work, int64_t tile, const WeightTile& weights, Groups groups,
                                           uint64_t* results) {
  scratch_.outside.reset();
  lanes_.Unpack(work.configuration, work.f, work.passes, weights, static_cast<size_t>(work.Written(tile)));
  for (int64_t group = groups.begin; group < groups.end && !scratch_.outside; ++group) {
    Accumulate(work, tile, group);
    work.f.raw ? TakeSums(work, group, results) : TakeCodes(work, tile, group, results);
    results += work.result_words();
  }
  return scratch_.outside;
}

void ConvWorker::Accumulate(const ConvWork& work, int64_t tile, int64_t group) {
  const auto accumulate = lanes_.is_diagonal() ? Kernels().accumulate_diagonal : Kernels().accumulate;
  const auto steps = static_cast<size_t>(StepsOf(work.f));
  for (size_t pass = 0; pass < work.passes.size(); ++pass) {
    const auto [source, shift] = std::pair(work.passes[pass].source, work.passes[pass].shift);
    const auto [first, stride, offsets] = work.windows.Get(source, tile, group, &scratch_);
    accumulate({first, stride, offsets, work.PixelsOf(group), steps, lanes_.weights(pass), lanes_.lanes(), pass == 0, shift,
                acc_.data()});
  }
}

void ConvWorker::TakeSums(const ConvWork& work, int64_t group, uint64_t* result) const {
  const LaneConstants k = lanes_.constants();
  const size_t pixels = work.PixelsOf(group), lanes = lanes_.lanes();
  for (size_t p = 0; p < pixels; ++p) {
    const auto sum = [&](size_t lane) {
      const int64_t acc = Wrap24(static_cast<uint32_t>(acc_[p * lanes + lane]) + static_cast<uint32_t>(k.c[lane]));
      return static_cast<uint32_t>(acc * k.m[lane] + k.b[lane]);
    };
    for (size_t lane = 0; lane < lanes; lane += 2) {
      result[lane / 2 * pixels + p] = uint64_t{sum(lane + 1)} << 32 | sum(lane);
    }
  }
}

void ConvWorker::TakeCodes(const ConvWork& work, int64_t tile, int64_t group, uint64_t* result) {
  const ConvFields& f = work.f;
  const auto words = [&](Address address) { return JoinAddress(address, work.configuration.banks); };
  std::array<std::array<uint64_t, kKernelPixels * kMaxLanes / kLaneBlock>, 2> skip;
  const int64_t first = words(f.skip_in) + group * ConvWork::kGroup;
  if (f.skip) ReadResidual(work, tile, group, first, skip[0].data());
  if (f.skip8) ReadResidual(work, tile, group, first + words(f.skip_plane), skip[1].data());
  Kernels().requantize({acc_.data(),
                        {f.skip ? skip[0].data() : nullptr, f.skip8 ? skip[1].data() : nullptr},
                        work.PixelsOf(group),
                        lanes_.lanes(),
                        lanes_.constants(),
                        f.leaky,
                        {result, f.out8 ? result + work.plane_words() : nullptr}});
}

void ConvWorker::ReadResidual(const ConvWork& work, int64_t tile, int64_t group, int64_t first, uint64_t* to) {
  const int64_t first_half = work.FirstSlot(tile) / 8, halves = work.Written(tile) / 8;
  const int64_t skip_group = JoinAddress(work.f.skip_group, work.configuration.banks);
  const size_t pixels = work.PixelsOf(group);
  for (int64_t half = 0; half < halves; half += 2) {
    const int64_t from = first_half + half;
    int64_t word = first + from / 2 * skip_group;
    for (size_t p = 0; p < pixels; ++p, ++word, ++to) {
      if (from % 2 == 0) {
        *to = ReadWord(work, word);
      } else {
        const uint64_t next = half + 1 < halves ? ReadWord(work, word + skip_group) : 0;
        *to = ReadWord(work, word) >> 32 | next << 32;
      }
    }
  }
}

uint64_t ConvWorker::ReadWord(const ConvWork& work, int64_t word) {
  if (static_cast<uint64_t>(word) < work.words.size()) return work.words[static_cast<size_t>(word)];
  if (!scratch_.outside) scratch_.outside = word;
  return 0;
}

}  // namespace msq::hw

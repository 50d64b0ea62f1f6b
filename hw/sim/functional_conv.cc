// The CONV instruction of the functional model: workers compute its tiles, then what they found is written.
#include <algorithm>
#include <array>
#include <utility>

#include "hw/sim/functional_model.h"

namespace msq::hw {
namespace {

// Less is not worth the wait for other threads: pixels times steps.
constexpr int64_t kSharedWork = 32768;

}  // namespace

std::string_view FunctionalModel::Contradiction(const ConvFields& f) const {
  const int64_t steps = StepsOf(f);
  if (f.passes < 1 || f.passes > 8) return "passes";
  if (f.raw && (f.skip || f.leaky || f.out8)) return "raw with skip, leaky or out8";
  if (f.skip && f.leaky) return "skip with leaky";
  if (f.tiles < 1 || f.last_groups < 1 || f.last_groups > configuration_.lanes() / configuration_.q) return "tiles";
  if (f.pixels < 1 || f.out_width < 1 || steps < 1) return "a size is 0";
  if ((f.pass_shift & 1) != 0) return "the first pass shifts nothing";
  if (f.out_half && configuration_.q != 8) return "out_half";
  if (f.stream) {
    if (f.pixels > configuration_.p) return "stream with more than one group of pixels";
    return f.weight_rows == f.passes * steps ? "" : "weight_rows";
  }
  const std::array<int64_t, 8> rows = PassRows(f);
  for (size_t i = 0; i < static_cast<size_t>(f.passes); ++i) {
    if (rows[i] + steps > f.weight_rows) return "a pass ends beyond the tile";
  }
  return "";
}

void FunctionalModel::Execute(const ConvFields& f) {
  if (const std::string_view what = Contradiction(f); !what.empty()) {
    return Fail(ErrorCode::kIllegalInstruction, std::string(what));
  }
  if (!f.stream && f.weight_rows > configuration_.wdepth) {
    return Fail(ErrorCode::kWatchdog,
                "the weight buffer cannot hold a tile of " + std::to_string(f.weight_rows) + " rows");
  }
  const auto fits = [&](const WeightTile& tile) {
    return tile.weight_rows == f.weight_rows && tile.param_rows == (f.leaky ? 4 : 2);
  };
  const auto last = tiles_.begin() + f.tiles, first_bad = std::find_if_not(tiles_.begin(), last, fits);
  const bool all_fit = first_bad == last;
  std::vector<WeightTile> tiles(std::make_move_iterator(tiles_.begin()), std::make_move_iterator(first_bad));
  tiles_.erase(tiles_.begin(), first_bad);
  const std::vector<ConvPass> passes = PassesOf(f);
  windows_.Begin(configuration_, f, words_, passes);
  const ConvWork work{configuration_, f, passes, windows_, words_};
  Compute(work, tiles);
  for (int64_t t = 0; t < std::ssize(tiles) && ok(); ++t) {
    const uint64_t* result = &results_[static_cast<size_t>(t * work.groups()) * work.result_words()];
    for (int64_t group = 0; group < work.groups() && ok(); ++group, result += work.result_words()) {
      f.raw ? WriteSums(work, t, group, result) : WriteCodes(work, t, group, result);
    }
  }
  for (WeightTile& tile : tiles) spare_beats_.push_back(std::move(tile.beats));
  if (!all_fit) Fail(ErrorCode::kIllegalInstruction, "the next tile of the weight buffer has another size");
}

// Tiles, or parts of them, in any order; `results_` has them in order.
void FunctionalModel::Compute(const ConvWork& work, std::span<const WeightTile> tiles) {
  const int64_t groups = work.groups(), count = std::ssize(tiles);
  const bool is_shared = threads_.threads() > 1 && count * work.f.pixels * StepsOf(work.f) >= kSharedWork;
  const int64_t wanted = is_shared ? 2 * threads_.threads() : 1;  // parts: some, as threads may be late
  results_.resize(std::max(results_.size(), static_cast<size_t>(count * groups) * work.result_words()));
  std::vector<std::optional<int64_t>> outside(static_cast<size_t>(wanted));
  if (windows_.are_kept()) {
    ForParts(wanted, [&](int64_t part, ConvWorker* worker) {
      outside[static_cast<size_t>(part)] =
          windows_.Keep(groups * part / wanted, groups * (part + 1) / wanted, worker->scratch());
    });
  }
  for (const auto& word : outside) {
    if (word) FailAtWord("reads", *word);
  }
  if (!ok() || count == 0) return;
  const int64_t parts = std::min((wanted + count - 1) / count, groups);  // of a tile
  outside.assign(static_cast<size_t>(count * parts), std::nullopt);
  ForParts(count * parts, [&](int64_t i, ConvWorker* worker) {
    const int64_t tile = i / parts, begin = groups * (i % parts) / parts, end = groups * (i % parts + 1) / parts;
    uint64_t* results = &results_[static_cast<size_t>(tile * groups + begin) * work.result_words()];
    outside[static_cast<size_t>(i)] = worker->Compute(work, tile, tiles[static_cast<size_t>(tile)], {begin, end}, results);
  });
  for (const auto& word : outside) {
    if (word) FailAtWord("reads", *word);
  }
}

void FunctionalModel::ForParts(int64_t count, const std::function<void(int64_t, ConvWorker*)>& compute) {
  threads_.ParallelFor(count, [&](int64_t i) {
    std::unique_ptr<ConvWorker> worker;
    {
      std::lock_guard lock(workers_mutex_);
      if (!idle_workers_.empty()) {
        worker = std::move(idle_workers_.back());
        idle_workers_.pop_back();
      }
    }
    if (worker == nullptr) worker = std::make_unique<ConvWorker>();
    compute(i, worker.get());
    std::lock_guard lock(workers_mutex_);
    idle_workers_.push_back(std::move(worker));
  });
}

int64_t FunctionalModel::OutputOf(const ConvFields& f, int64_t tile, int64_t group) const {
  int64_t out = Word(f.out) + group * ConvWork::kGroup * Word(f.out_pixel);
  if (configuration_.q != 8) {
    // Between tiles there is a step of its own instead of one from the tile's last Q channels to the next ones.
    out += tile * (Word(f.out_tile) - configuration_.q / 16 * Word(f.out_group));
  }
  return out;
}

void FunctionalModel::WriteSums(const ConvWork& work, int64_t tile, int64_t group, const uint64_t* result) {
  const int64_t out = OutputOf(work.f, tile, group);
  const size_t pixels = work.PixelsOf(group);
  for (int64_t lane = 0; lane < work.Written(tile); lane += 2) {
    const int64_t slot = work.FirstSlot(tile) + lane;
    int64_t word = out + slot / 16 * Word(work.f.out_group) + slot % 16 / 2;
    const uint64_t* sums = result + static_cast<size_t>(lane) / 2 * pixels;
    for (size_t p = 0; p < pixels; ++p, word += Word(work.f.out_pixel)) WriteWord(word, sums[p]);
  }
}

void FunctionalModel::WriteCodes(const ConvWork& work, int64_t tile, int64_t group, const uint64_t* result) {
  const int64_t first_half = work.FirstSlot(tile) / 8, halves = work.Written(tile) / 8;
  const int64_t out_pixel = Word(work.f.out_pixel), out_group = Word(work.f.out_group);
  const size_t pixels = work.PixelsOf(group);
  for (size_t plane = 0; plane < (work.f.out8 ? 2 : 1); ++plane) {
    const int64_t out = OutputOf(work.f, tile, group) + (plane == 0 ? 0 : Word(work.f.out_plane));
    const uint64_t* from = result + plane * work.plane_words();
    for (int64_t half = 0; half < halves; half += 2) {
      const int64_t to = first_half + half;
      int64_t word = out + to / 2 * out_group;
      for (size_t p = 0; p < pixels; ++p, word += out_pixel, ++from) {
        if (to % 2 == 0 && half + 1 < halves) {
          WriteWord(word, *from);
          continue;
        }
        // A tile that begins or ends in the middle of a word.
        WriteHalf(word, to % 2, static_cast<uint32_t>(*from));
        if (half + 1 < halves) WriteHalf(word + out_group, 0, static_cast<uint32_t>(*from >> 32));
      }
    }
  }
}

void FunctionalModel::WriteHalf(int64_t word, int64_t half, uint32_t value) {
  const uint64_t mask = uint64_t{0xffffffff} << (32 * half);
  WriteWord(word, (ReadWord(word) & ~mask) | uint64_t{value} << (32 * half));
}

}  // namespace msq::hw

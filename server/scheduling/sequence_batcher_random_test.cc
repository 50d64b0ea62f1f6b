// The sequence batcher under random operations: what holds whatever happens.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "server/scheduling/sequence_batcher.h"
#include "server/testing/make_request.h"

namespace msq::server {
namespace {

using testing::AtMs;
using testing::MakeRequest;

// What became of an accepted step.
enum class Fate { kWaits, kRuns, kComputed, kFailed, kDropped, kRemoved };

struct Step {
  uint64_t sequence = 0;
  int life = 0;   // counts the STARTs of the sequence that were accepted
  int index = 0;  // in its life
  Fate fate = Fate::kWaits;
  int instance = -1;  // that computed it
};

// What the steps of a test write into their state.
struct Trace {
  uint64_t sequence;
  int life;
  int steps;
};

class RandomSequences {
 public:
  explicit RandomSequences(uint32_t seed) : random_(seed), options_(RandomOptions()), batcher_(options_) {}

  void Run(int operations) {
    for (int i = 0; i < operations && !::testing::Test::HasFailure(); ++i) {
      now_ms_ += Pick(4) == 0 ? static_cast<int64_t>(Pick(6)) : 0;
      switch (Pick(12)) {
        case 0:
          if (!steps_.empty()) Remove(AnyStep());
          break;
        case 1:
          if (!steps_.empty() && Pick(3) == 0) AnyStep()->cancelled = true;
          break;
        case 2:
        case 3:
          Expire();
          break;
        case 4:
        case 5:
        case 6:
          Expire();
          Form(static_cast<int>(Pick(kInstances)));
          break;
        case 7:
        case 8:
          Finish(static_cast<int>(Pick(kInstances)));
          break;
        default:
          Add();
      }
    }
    ComputeWhatIsLeft();
  }

  std::map<Fate, int> fates;

 private:
  static constexpr size_t kInstances = 3;

  size_t Pick(size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random_); }
  bool direct() const { return options_.lanes > 1; }

  SequenceBatcher::Options RandomOptions() {
    SequenceBatcher::Options options;
    options.lanes = Pick(2) == 0 ? 1 : static_cast<int>(kInstances);
    options.slots = 1 + static_cast<int64_t>(Pick(4));
    options.max_idle = absl::Milliseconds(Pick(2) == 0 ? 10 : 100'000);
    options.max_queue_size = 12;
    options.max_sequences = 8;
    options.batching.max_batch_size = static_cast<int64_t>(Pick(5));
    options.batching.max_queue_delay = absl::Milliseconds(Pick(2) * Pick(8));
    if (options.batching.max_batch_size > 1 && Pick(2) == 0) options.batching.preferred_batch_sizes = {2};
    return options;
  }

  RequestPtr AnyStep() { return requests_[Pick(requests_.size())]; }

  void Add() {
    const uint64_t sequence = 1 + Pick(10);
    const bool start = Pick(4) == 0;
    const RequestPtr request =
        MakeRequest({.deadline = Pick(8) == 0 ? AtMs(now_ms_ + static_cast<int64_t>(Pick(30))) : absl::InfiniteFuture(),
                     .sequence = {.number = sequence, .text = {}},
                     .start = start,
                     .end = Pick(5) == 0});
    if (!batcher_.Add(request, AtMs(now_ms_)).ok()) return Break(sequence, lives_[sequence]);
    Step& step = steps_[request.get()];
    step.sequence = sequence;
    step.life = start ? ++lives_[sequence] : lives_[sequence];
    step.index = start ? 0 : next_index_[sequence];
    next_index_[sequence] = step.index + 1;
    requests_.push_back(request);
  }

  void Remove(const RequestPtr& request) {
    Step& step = steps_.at(request.get());
    if (batcher_.Remove(request.get())) return Leave(&step, Fate::kRemoved);
    if (step.fate != Fate::kWaits) return;
    Expire();
    EXPECT_EQ(step.fate, Fate::kDropped) << "neither removed nor about to be dropped";
  }

  // The sequence has ended, or may with any step up to this life that can still be computed.
  void Break(uint64_t sequence, int life) {
    broken_[sequence] = std::max(broken_[sequence], life);
    for (auto& holders : holders_) holders.erase(sequence);
  }

  // A step that waited does no more.
  void Leave(Step* step, Fate fate) {
    EXPECT_EQ(step->fate, Fate::kWaits);
    step->fate = fate;
    ++fates[fate];
    Break(step->sequence, step->life);
  }

  void Expire() {
    std::vector<DroppedRequest> dropped;
    batcher_.TakeExpired(AtMs(now_ms_), &dropped);
    for (const DroppedRequest& drop : dropped) {
      EXPECT_FALSE(drop.status.ok());
      Leave(&steps_.at(drop.request.get()), Fate::kDropped);
    }
  }

  void Form(int instance) {
    if (under_way_.contains(instance)) return;
    auto batch = batcher_.Form(instance, AtMs(now_ms_));
    if (!batch) return;
    EXPECT_LE(batch->samples, std::max<int64_t>(options_.batching.max_batch_size, 1));
    std::set<uint64_t> sequences;
    for (const RequestPtr& request : batch->requests) {
      Step& step = steps_.at(request.get());
      EXPECT_EQ(step.fate, Fate::kWaits);
      step.fate = Fate::kRuns;
      step.instance = instance;
      EXPECT_TRUE(running_.insert(step.sequence).second) << "two steps of a sequence under way";
      holders_[direct() ? static_cast<size_t>(instance) : 0].insert(step.sequence);
      CheckState(request.get(), step);
    }
    // Sequences that idled away gave their slots back silently.
    if (options_.max_idle > absl::Seconds(1)) {
      for (const auto& holders : holders_) EXPECT_LE(static_cast<int64_t>(holders.size()), options_.slots);
    }
    under_way_[instance] = *std::move(batch);
  }

  // The state is that of the step before, which was computed; nobody else's.
  void CheckState(InferenceRequest* request, const Step& step) {
    ASSERT_NE(request->state, nullptr);
    EXPECT_EQ(request->state.use_count(), 2) << "the sequence's and the step's";
    auto& tensors = request->state->tensors;
    ASSERT_EQ(tensors.empty(), step.index == 0);
    if (tensors.empty()) {
      tensors.emplace_back(sizeof(Trace));
      *tensors[0].as<Trace>() = {step.sequence, step.life, 0};
      instance_of_[{step.sequence, step.life}] = step.instance;
    }
    Trace& trace = *tensors[0].as<Trace>();
    EXPECT_EQ(trace.sequence, step.sequence);
    EXPECT_EQ(trace.life, step.life);
    EXPECT_EQ(trace.steps++, step.index);
    if (direct()) {
      const int instance = instance_of_.at({step.sequence, step.life});
      EXPECT_EQ(step.instance, instance);
    }
  }

  void Finish(int instance) {
    const auto found = under_way_.find(instance);
    if (found == under_way_.end()) return;
    const bool fails = Pick(10) == 0;
    const absl::Status status = fails ? absl::InternalError("broken") : absl::OkStatus();
    batcher_.Finish(found->second, AtMs(now_ms_), status);
    for (const RequestPtr& request : found->second.requests) {
      Step& step = steps_.at(request.get());
      step.fate = fails ? Fate::kFailed : Fate::kComputed;
      ++fates[step.fate];
      running_.erase(step.sequence);
      if (fails || request->sequence_end || step.life <= broken_[step.sequence]) {
        for (auto& holders : holders_) holders.erase(step.sequence);
      }
      EXPECT_EQ(request->state, nullptr);
    }
    under_way_.erase(found);
  }

  void ComputeWhatIsLeft() {
    batcher_.Drain();
    for (int rounds = 0; batcher_.sequences().live > 0 && !::testing::Test::HasFailure(); ++rounds) {
      ASSERT_LT(rounds, 500) << "somebody waits for ever";
      for (int instance = 0; instance < static_cast<int>(kInstances); ++instance) Finish(instance);
      Expire();
      for (int instance = 0; instance < static_cast<int>(kInstances); ++instance) Form(instance);
      // Idle sequences make room for those of the backlog.
      if (under_way_.empty() && batcher_.NextEvent() < absl::InfiniteFuture()) {
        for (auto& holders : holders_) holders.clear();
        now_ms_ = std::max(now_ms_, absl::ToInt64Milliseconds(batcher_.NextEvent() - absl::UnixEpoch()));
      }
    }
    Expire();
    EXPECT_EQ(batcher_.waiting(), 0);
    EXPECT_EQ(batcher_.sequences().backlog, 0);
    EXPECT_EQ(batcher_.NextEvent(), absl::InfiniteFuture());
    for (const RequestPtr& request : requests_) {
      EXPECT_GT(steps_.at(request.get()).fate, Fate::kRuns);
      EXPECT_EQ(request.use_count(), 1);
    }
  }

  std::mt19937 random_;
  const SequenceBatcher::Options options_;
  SequenceBatcher batcher_;
  int64_t now_ms_ = 0;
  std::vector<RequestPtr> requests_;
  std::map<const InferenceRequest*, Step> steps_;
  std::map<uint64_t, int> lives_;
  std::map<uint64_t, int> next_index_;
  std::map<int, Batch> under_way_;
  std::set<uint64_t> running_;
  std::map<uint64_t, int> broken_;  // the last life of a sequence that broke
  std::map<std::pair<uint64_t, int>, int> instance_of_;
  // Sequences that hold a slot for sure, by lane.
  std::vector<std::set<uint64_t>> holders_ = std::vector<std::set<uint64_t>>(kInstances);
};

TEST(SequenceBatcherRandomTest, StepsStayInOrderAndStatesApart) {
  std::map<Fate, int> fates;
  for (uint32_t seed = 0; seed < 3000 && !HasFailure(); ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    RandomSequences sequences(seed);
    sequences.Run(200);
    for (const auto& [fate, count] : sequences.fates) fates[fate] += count;
  }
  for (Fate fate : {Fate::kComputed, Fate::kFailed, Fate::kDropped, Fate::kRemoved}) {
    EXPECT_GT(fates[fate], 1000) << static_cast<int>(fate);
  }
}

}  // namespace
}  // namespace msq::server

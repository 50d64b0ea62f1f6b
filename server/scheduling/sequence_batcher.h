// Sequence batching: requests of one sequence share a state and are computed one after the other; steps of different
// sequences are computed together.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/scheduling/batch_former.h"
#include "server/scheduling/dynamic_batcher.h"

namespace msq::server {

// A sequence lives from its START until the step with END was computed, until it idles for too long, or until a step of
// it is not computed: dropped, cancelled, refused for lack of room, or failed. What follows such a step would be
// computed from a wrong state, so what waits behind it is dropped (ABORTED) and only a START is taken. A START in a live
// sequence restarts it: earlier steps keep the old state. A sequence has one step under way at most, which has the
// state; no other sequence ever sees it.
//
// A sequence needs a slot for its steps to be computed and keeps it while it lives; those that find none wait in a
// backlog, first come first served. Slots belong to lanes, in which a dynamic batcher makes batches of the sequences'
// next steps. Triton's strategies are two ways to cut lanes: direct has one for each instance, which so sees all steps
// of its sequences, with a slot for each sample of a batch; oldest has one lane, whose slots are the candidates.
//
// When the queue is full, sequences that are under way go first: the only waiting step of one is always taken, so that
// overload refuses new sequences instead of breaking old ones.
//
// Not thread-safe. O(log n) a step; O(lanes) for a new sequence and for what is looked at from time to time.
class SequenceBatcher final : public BatchFormer {
 public:
  struct Options {
    std::string model_name = {};  // for messages
    int lanes = 1;                // one for all instances, or one for each
    int64_t slots = 1;            // of a lane
    absl::Duration max_idle = absl::Seconds(1);
    int64_t max_queue_size = 1 << 14;          // steps that wait
    int64_t max_sequences = int64_t{100'000};  // that live
    DynamicBatcher::Options batching = {};     // of the steps of a lane
  };

  explicit SequenceBatcher(Options options);

  absl::Status Add(RequestPtr request, absl::Time now) override;
  bool Remove(const InferenceRequest* request) override;
  void TakeExpired(absl::Time now, std::vector<DroppedRequest>* dropped) override;
  std::optional<Batch> Form(int instance, absl::Time now) override;
  void Finish(const Batch& batch, absl::Time now, const absl::Status& status) override;
  absl::Time NextEvent() const override;
  void Drain() override;
  int64_t waiting() const override { return static_cast<int64_t>(index_.size()); }
  SequenceCounts sequences() const override;

 private:
  struct Sequence;
  using Steps = std::list<RequestPtr>;
  using Sequences = std::list<Sequence*>;
  using Moment = std::pair<absl::Time, uint64_t>;  // and the number of the step

  struct Sequence {
    const SequenceId* id = nullptr;
    Steps steps;           // that wait
    bool open = true;      // takes another step; otherwise a START only
    bool offered = false;  // the first step waits in the lane's batcher
    const InferenceRequest* running = nullptr;
    std::shared_ptr<SequenceState> state;
    int lane = -1;  // where it has a slot
    absl::Time idle_since;
    // Its node in `listed`, which is idle_, backlog_ or, for none, `unlisted`.
    Sequences unlisted;
    Sequences* listed = nullptr;
    Sequences::iterator node;
  };
  struct Waiting {
    Sequence* sequence;
    Steps::iterator step;
    uint64_t number;  // of arrival
  };
  struct Lane {
    Lane(const DynamicBatcher::Options& options, int64_t slots) : batcher(options), free_slots(slots) {}
    DynamicBatcher batcher;
    int64_t free_slots;
  };
  struct HashId {
    size_t operator()(const SequenceId& id) const;
  };

  absl::Status CheckRequest(const InferenceRequest& request, const Sequence* sequence) const;
  bool HasRoom(const InferenceRequest& request, const Sequence* sequence) const;
  Sequence* Start(const SequenceId& id);
  RequestPtr Unlink(const InferenceRequest* request);
  RequestPtr Drop(const InferenceRequest* request);
  void DropFollowers(Sequence* sequence, Steps::iterator next);
  void DropPastDeadline(absl::Time now, std::vector<DroppedRequest>* dropped);
  bool DropCancelled(absl::Time now, std::vector<DroppedRequest>* dropped);
  void Advance(Sequence* sequence);
  void End(Sequence* sequence);
  void EndIdle(absl::Time now);
  bool TakeSlot(Sequence* sequence);
  void ReleaseSlot(Sequence* sequence);
  static void MoveTo(Sequences* list, Sequence* sequence);

  const Options options_;
  absl::Time now_ = absl::InfinitePast();  // last told
  std::deque<Lane> lanes_;
  std::unordered_map<SequenceId, Sequence, HashId> sequences_;
  Sequences idle_;     // nothing waits or runs; longest idle first
  Sequences backlog_;  // wait for a slot
  absl::flat_hash_map<const InferenceRequest*, Waiting> index_;
  std::map<Moment, const InferenceRequest*> deadlines_;  // of the steps that have one
  std::vector<DroppedRequest> followers_;                // dropped, for TakeExpired
  uint64_t arrivals_ = 0;
};

}  // namespace msq::server

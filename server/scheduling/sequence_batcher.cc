#include "server/scheduling/sequence_batcher.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "absl/hash/hash.h"
#include "base/check.h"
#include "base/status.h"
#include "server/protocol/reason.h"

namespace msq::server {
namespace {

std::string Name(const SequenceId& id) {
  return id.text.empty() ? absl::StrCat(id.number) : id.text;
}

}  // namespace

size_t SequenceBatcher::HashId::operator()(const SequenceId& id) const {
  return absl::HashOf(id.number, id.text);
}

SequenceBatcher::SequenceBatcher(Options options) : options_(std::move(options)) {
  MSQ_CHECK(options_.lanes >= 1 && options_.slots >= 1);
  DynamicBatcher::Options batching = options_.batching;
  batching.max_queue_size = std::numeric_limits<int64_t>::max();  // the slots bound it
  for (int i = 0; i < options_.lanes; ++i) lanes_.emplace_back(batching, options_.slots);
}

absl::Status SequenceBatcher::CheckRequest(const InferenceRequest& request, const Sequence* sequence) const {
  const std::string& model = options_.model_name;
  if (!request.sequence) {
    return InvalidArgument("inference request to model '", model,
                           "' must specify a non-zero or non-empty correlation ID");
  }
  if (request.samples > 1) {
    return InvalidArgument("inference request to model '", model,
                           "' must specify batch-size 1: it is a step of one sequence");
  }
  if (!request.sequence_start && (sequence == nullptr || !sequence->open)) {
    return InvalidArgument("inference request for sequence ", Name(request.sequence), " to model '", model,
                           "' must specify the START flag on the first request of the sequence");
  }
  return absl::OkStatus();
}

bool SequenceBatcher::HasRoom(const InferenceRequest& request, const Sequence* sequence) const {
  if (!request.fits) return false;
  if (sequence == nullptr && static_cast<int64_t>(sequences_.size()) >= options_.max_sequences) return false;
  const bool under_way = sequence != nullptr && sequence->steps.empty() && !request.sequence_start;
  return under_way || waiting() < options_.max_queue_size;
}

void SequenceBatcher::EndIdle(absl::Time now) {
  while (!idle_.empty() && idle_.front()->idle_since + options_.max_idle <= now) End(idle_.front());
}

absl::Status SequenceBatcher::Add(RequestPtr request, absl::Time now) {
  now_ = now;
  EndIdle(now);
  const auto found = sequences_.find(request->sequence);
  Sequence* sequence = found == sequences_.end() ? nullptr : &found->second;
  MSQ_RETURN_IF_ERROR(CheckRequest(*request, sequence));
  if (!HasRoom(*request, sequence)) {
    if (sequence != nullptr) {
      sequence->open = false;
      Advance(sequence);
    }
    return WithReason(Unavailable("Exceeds maximum queue size"), kQueueFull);
  }
  if (sequence == nullptr) sequence = Start(request->sequence);
  sequence->open = !request->sequence_end;
  const uint64_t number = arrivals_++;
  if (request->deadline != absl::InfiniteFuture()) deadlines_.emplace(Moment(request->deadline, number), request.get());
  sequence->steps.push_back(std::move(request));
  const auto step = std::prev(sequence->steps.end());
  index_.emplace(step->get(), Waiting{sequence, step, number});
  Advance(sequence);
  return absl::OkStatus();
}

SequenceBatcher::Sequence* SequenceBatcher::Start(const SequenceId& id) {
  const auto made = sequences_.try_emplace(id).first;
  Sequence* sequence = &made->second;
  sequence->id = &made->first;
  sequence->unlisted.push_back(sequence);
  sequence->listed = &sequence->unlisted;
  sequence->node = sequence->unlisted.begin();
  return sequence;
}

void SequenceBatcher::MoveTo(Sequences* list, Sequence* sequence) {
  if (sequence->listed == list) return;
  list->splice(list->end(), *sequence->listed, sequence->node);
  sequence->listed = list;
}

// Brings a sequence to where it belongs after something about it changed; its next step into its lane.
void SequenceBatcher::Advance(Sequence* sequence) {
  if (sequence->running != nullptr || sequence->offered) return;
  if (sequence->steps.empty()) {
    if (!sequence->open) return End(sequence);
    sequence->idle_since = now_;
    return MoveTo(&idle_, sequence);
  }
  if (sequence->lane < 0 && !TakeSlot(sequence)) return MoveTo(&backlog_, sequence);
  MoveTo(&sequence->unlisted, sequence);
  const absl::Status added = lanes_[static_cast<size_t>(sequence->lane)].batcher.Add(sequence->steps.front(), now_);
  MSQ_CHECK(added.ok());  // its queue has no bound
  sequence->offered = true;
}

void SequenceBatcher::End(Sequence* sequence) {
  MoveTo(&sequence->unlisted, sequence);
  ReleaseSlot(sequence);
  sequences_.erase(sequences_.find(*sequence->id));
}

bool SequenceBatcher::TakeSlot(Sequence* sequence) {
  const auto freest = std::max_element(lanes_.begin(), lanes_.end(),
                                       [](const Lane& a, const Lane& b) { return a.free_slots < b.free_slots; });
  if (freest->free_slots == 0) return false;
  --freest->free_slots;
  sequence->lane = static_cast<int>(freest - lanes_.begin());
  return true;
}

void SequenceBatcher::ReleaseSlot(Sequence* sequence) {
  if (sequence->lane < 0) return;
  ++lanes_[static_cast<size_t>(sequence->lane)].free_slots;
  sequence->lane = -1;
  if (!backlog_.empty()) Advance(backlog_.front());
}

RequestPtr SequenceBatcher::Unlink(const InferenceRequest* request) {
  const auto found = index_.find(request);
  const Waiting waiting = found->second;
  index_.erase(found);
  if (request->deadline != absl::InfiniteFuture()) deadlines_.erase({request->deadline, waiting.number});
  RequestPtr owned = std::move(*waiting.step);
  waiting.sequence->steps.erase(waiting.step);
  return owned;
}

// Takes a waiting step out, and with it the rest of its sequence.
RequestPtr SequenceBatcher::Drop(const InferenceRequest* request) {
  const Waiting waiting = index_.find(request)->second;
  Sequence* sequence = waiting.sequence;
  if (sequence->offered && waiting.step == sequence->steps.begin()) {
    lanes_[static_cast<size_t>(sequence->lane)].batcher.Remove(request);
    sequence->offered = false;
  }
  const auto next = std::next(waiting.step);
  RequestPtr dropped = Unlink(request);
  DropFollowers(sequence, next);
  Advance(sequence);
  return dropped;
}

// The steps from `next` on to where the sequence is started again.
void SequenceBatcher::DropFollowers(Sequence* sequence, Steps::iterator next) {
  while (next != sequence->steps.end() && !(*next)->sequence_start) {
    const InferenceRequest* follower = next++->get();
    const absl::Status status = absl::AbortedError(absl::StrCat("an earlier request of sequence ", Name(*sequence->id),
                                                                " failed or was dropped: start the sequence again"));
    followers_.push_back({Unlink(follower), status});
  }
  if (next == sequence->steps.end()) sequence->open = false;
}

bool SequenceBatcher::Remove(const InferenceRequest* request) {
  if (!index_.contains(request)) return false;
  Drop(request);
  return true;
}

void SequenceBatcher::TakeExpired(absl::Time now, std::vector<DroppedRequest>* dropped) {
  now_ = now;
  DropPastDeadline(now, dropped);
  EndIdle(now);
  while (DropCancelled(now, dropped)) {
  }
  std::move(followers_.begin(), followers_.end(), std::back_inserter(*dropped));
  followers_.clear();
}

void SequenceBatcher::DropPastDeadline(absl::Time now, std::vector<DroppedRequest>* dropped) {
  while (!deadlines_.empty() && deadlines_.begin()->first.first <= now) {
    dropped->push_back({Drop(deadlines_.begin()->second),
                        absl::DeadlineExceededError("the request's deadline passed while it waited")});
  }
}

// What the lanes found cancelled. True if there was something: its slots may have gone to other steps.
bool SequenceBatcher::DropCancelled(absl::Time now, std::vector<DroppedRequest>* dropped) {
  std::vector<DroppedRequest> found;
  for (Lane& lane : lanes_) lane.batcher.TakeExpired(now, &found);
  for (DroppedRequest& drop : found) {
    if (!index_.contains(drop.request.get())) continue;  // taken out since the lane set it aside
    dropped->push_back({Drop(drop.request.get()), std::move(drop.status)});
  }
  return !found.empty();
}

std::optional<Batch> SequenceBatcher::Form(int instance, absl::Time now) {
  now_ = now;
  const size_t lane = lanes_.size() == 1 ? 0 : static_cast<size_t>(instance);
  if (lane >= lanes_.size()) return std::nullopt;
  std::optional<Batch> batch = lanes_[lane].batcher.Form(instance, now);
  if (!batch) return std::nullopt;
  for (const RequestPtr& request : batch->requests) {
    Sequence& sequence = *index_.find(request.get())->second.sequence;
    Unlink(request.get());
    sequence.offered = false;
    sequence.running = request.get();
    if (request->sequence_start) sequence.state = std::make_shared<SequenceState>();
    request->state = sequence.state;
  }
  return batch;
}

void SequenceBatcher::Finish(const Batch& batch, absl::Time now, const absl::Status& status) {
  now_ = now;
  for (const RequestPtr& request : batch.requests) {
    const auto found = sequences_.find(request->sequence);
    MSQ_CHECK(found != sequences_.end() && found->second.running == request.get());
    Sequence* sequence = &found->second;
    sequence->running = nullptr;
    request->state.reset();
    if (!status.ok()) DropFollowers(sequence, sequence->steps.begin());
    if (!status.ok() || request->sequence_end) {
      sequence->state.reset();
      ReleaseSlot(sequence);
    }
    Advance(sequence);
  }
}

absl::Time SequenceBatcher::NextEvent() const {
  if (!followers_.empty()) return absl::InfinitePast();
  absl::Time next = absl::InfiniteFuture();
  if (!deadlines_.empty()) next = std::min(next, deadlines_.begin()->first.first);
  if (!idle_.empty()) next = std::min(next, idle_.front()->idle_since + options_.max_idle);
  for (const Lane& lane : lanes_) next = std::min(next, lane.batcher.NextEvent());
  return next;
}

void SequenceBatcher::Drain() {
  for (Lane& lane : lanes_) lane.batcher.Drain();
}

SequenceCounts SequenceBatcher::sequences() const {
  return {static_cast<int64_t>(sequences_.size()), static_cast<int64_t>(backlog_.size())};
}

}  // namespace msq::server

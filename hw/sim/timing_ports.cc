#include "hw/sim/timing_ports.h"

namespace msq::hw {
namespace {

constexpr int kRequestCycles = 6;  // from one burst of a port to the next
constexpr int kCheckCycles = 4;    // of these, from the choice of a client to the address
constexpr int kOutstanding = 8;

}  // namespace

void ReadPort::Drive() {
  if (taken_) signals_.arvalid = false;
  if (pause_ > 0) --pause_;
  if (chosen_ == nullptr && !signals_.arvalid && pause_ == 0) Choose();
  if (chosen_ != nullptr && pause_ <= kRequestCycles - kCheckCycles && under_way_.size() < kOutstanding) {
    signals_.arvalid = true;
    signals_.araddr = burst_.address;
    signals_.arlen = static_cast<uint8_t>(burst_.beats - 1);
    under_way_.push_back({chosen_, burst_.beats});
    chosen_ = nullptr;
  }
  taken_ = signals_.arvalid && signals_.arready;
  beat_ = signals_.rvalid;
}

void ReadPort::Choose() {
  for (ReadClient* client : clients_) {
    const std::optional<Burst> burst = client->Ask();
    if (!burst) continue;
    chosen_ = client;
    burst_ = *burst;
    pause_ = kRequestCycles;
    return;
  }
}

void ReadPort::Take() {
  if (!beat_) return;
  UnderWay& oldest = under_way_.front();
  oldest.client->Beat();
  if (--oldest.beats == 0) under_way_.pop_front();
}

void WritePort::Drive() {
  if (taken_) signals_.awvalid = false;
  if (pause_ > 0) --pause_;
  if (!signals_.awvalid && pause_ == 0 && !asked_.empty() && unanswered_ < kOutstanding) {
    signals_.awvalid = true;
    signals_.awaddr = asked_.front().address;
    signals_.awlen = static_cast<uint8_t>(asked_.front().beats - 1);
    data_.push_back(asked_.front().beats);
    asked_.pop_front();
    ++unanswered_;
    pause_ = kRequestCycles;
  }
  signals_.wvalid = !data_.empty();
  signals_.wlast = !data_.empty() && data_.front() == 1;
  taken_ = signals_.awvalid && signals_.awready;
  beat_ = signals_.wvalid && signals_.wready;
  answered_ = signals_.bvalid;
}

void WritePort::Take() {
  if (beat_ && --data_.front() == 0) data_.pop_front();
  if (answered_) --unanswered_;
}

}  // namespace msq::hw

// The accelerator's side of its AXI ports, for the timing model: who asks for which burst, and when its beats are there.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "hw/sim/axi_memory.h"

namespace msq::hw {

inline constexpr int kBurstBeats = 16;
inline constexpr uint64_t kBurstBytes = 8 * kBurstBeats;

struct Burst {
  uint64_t address = 0;
  int beats = 0;
};

class ReadClient {
 public:
  virtual ~ReadClient() = default;
  // The next burst, if there is one and room for it: asked once, it is on its way.
  virtual std::optional<Burst> Ask() = 0;
  // The next beat of the oldest burst.
  virtual void Beat() = 0;
};

// As msq_axi_rd. A cycle is Drive, then AxiMemory::Tick, then Take.
class ReadPort {
 public:
  explicit ReadPort(AxiPort* signals) : signals_(*signals) { signals_.rready = true; }

  void Add(ReadClient* client) { clients_.push_back(client); }  // the first has the highest priority
  void Drive();
  void Take();

 private:
  struct UnderWay {
    ReadClient* client;
    int beats;
  };
  void Choose();

  AxiPort& signals_;
  std::vector<ReadClient*> clients_;
  ReadClient* chosen_ = nullptr;  // whose burst waits for the address channel
  Burst burst_;
  std::deque<UnderWay> under_way_;
  int pause_ = 0;  // cycles until the next burst may be asked for
  bool taken_ = false, beat_ = false;
};

// As msq_axi_wr, with data that are always there in time.
class WritePort {
 public:
  explicit WritePort(AxiPort* signals) : signals_(*signals) { signals_.bready = true; }

  void Write(const Burst& burst) { asked_.push_back(burst); }
  bool idle() const { return asked_.empty() && data_.empty() && unanswered_ == 0; }
  void Drive();
  void Take();

 private:
  AxiPort& signals_;
  std::deque<Burst> asked_;
  std::deque<int> data_;  // beats of each burst whose data are not out yet
  int pause_ = 0, unanswered_ = 0;
  bool taken_ = false, beat_ = false, answered_ = false;
};

}  // namespace msq::hw

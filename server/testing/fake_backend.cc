#include "server/testing/fake_backend.h"

#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/status.h"
#include "model/reference/interpreter.h"

namespace msq::server::testing {
namespace {

class FakeExecutable final : public Executable {
 public:
  FakeExecutable(const ir::Graph& graph, std::shared_ptr<FakeControl> control)
      : Executable(graph), graph_(graph), control_(std::move(control)) {}

  bool ready() const override { return control_->ready(); }

 protected:
  absl::Status DoRun(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                     RunContext&) const override {
    MSQ_RETURN_IF_ERROR(control_->BeforeRun());
    for (int64_t item = 0; item < inputs[0].batch; ++item) {
      std::vector<reference::Values> values;
      for (const ConstTensorView& input : inputs) {
        const size_t size = input.bytes.size() / static_cast<size_t>(input.batch);
        const auto* codes = reinterpret_cast<const uint8_t*>(input.bytes.data()) + size * static_cast<size_t>(item);
        values.emplace_back(codes, codes + size);
      }
      MSQ_ASSIGN_OR_RETURN(const std::vector<reference::Values> results, reference::Run(graph_, values));
      for (size_t i = 0; i < results.size(); ++i) Store(results[i], item, outputs[i]);
    }
    return absl::OkStatus();
  }

 private:
  static void Store(const reference::Values& values, int64_t item, const TensorView& output) {
    const size_t width = output.type == ElementType::kCode ? 1 : 4;
    std::byte* out = output.bytes.data() + static_cast<size_t>(item) * values.size() * width;
    for (int32_t value : values) {
      std::memcpy(out, &value, width);  // little-endian: the low byte is the code
      out += width;
    }
  }

  const ir::Graph graph_;
  const std::shared_ptr<FakeControl> control_;
};

class FakeBackend final : public Backend {
 public:
  FakeBackend(std::shared_ptr<FakeControl> control, std::string name)
      : control_(std::move(control)), name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  Capabilities capabilities() const override {
    Capabilities capabilities;
    capabilities.device = "fake";
    return capabilities;
  }
  absl::StatusOr<std::unique_ptr<Executable>> Prepare(const ir::Graph& graph, const PrepareOptions&) const override {
    return std::unique_ptr<Executable>(new FakeExecutable(graph, control_));
  }

 private:
  const std::shared_ptr<FakeControl> control_;
  const std::string name_;
};

}  // namespace

void FakeControl::Hold() {
  std::lock_guard lock(mutex_);
  holding_ = true;
}

void FakeControl::Release() {
  std::lock_guard lock(mutex_);
  holding_ = false;
  changed_.notify_all();
}

void FakeControl::AwaitHeld(int count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return held_ >= count; });
}

void FakeControl::FailWith(absl::Status status) {
  std::lock_guard lock(mutex_);
  failure_ = std::move(status);
}

void FakeControl::RunOutOfMemory() {
  std::lock_guard lock(mutex_);
  out_of_memory_ = true;
}

absl::Status FakeControl::BeforeRun() {
  std::unique_lock lock(mutex_);
  ++runs_;
  ++held_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return !holding_; });
  --held_;
  if (out_of_memory_) throw std::bad_alloc();
  const absl::Status failure = failure_;
  const absl::Duration pace = pace_;
  lock.unlock();
  if (pace > absl::ZeroDuration()) UseDevice(pace);
  return failure;
}

void FakeControl::UseDevice(absl::Duration duration) {
  std::lock_guard device(device_);
  const absl::Time begin = absl::Now();
  absl::SleepFor(duration);
  std::lock_guard lock(mutex_);
  busy_ += absl::Now() - begin;
}

void FakeControl::Pace(absl::Duration duration) {
  std::lock_guard lock(mutex_);
  pace_ = duration;
}

absl::Duration FakeControl::busy() const {
  std::lock_guard lock(mutex_);
  return busy_;
}

int FakeControl::runs() const {
  std::lock_guard lock(mutex_);
  return runs_;
}

std::unique_ptr<Backend> CreateFakeBackend(std::shared_ptr<FakeControl> control, std::string name) {
  return std::make_unique<FakeBackend>(std::move(control), std::move(name));
}

}  // namespace msq::server::testing

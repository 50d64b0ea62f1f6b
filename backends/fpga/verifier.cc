#include "backends/fpga/verifier.h"

#include <new>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/log.h"
#include "base/status.h"

namespace msq::fpga {
namespace {

constexpr size_t kMaxWaiting = 64;

ElementType ElementTypeOf(const ir::TensorType& type) {
  return type.kind == ir::TensorType::Kind::kCode ? ElementType::kCode : ElementType::kAccumulator;
}

}  // namespace

Verifier::Verifier(double fraction, OnMismatch on_mismatch)
    : fraction_(fraction), on_mismatch_(std::move(on_mismatch)), thread_([this] { Run(); }) {}

Verifier::~Verifier() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool Verifier::Wants() {
  std::lock_guard lock(mutex_);
  due_ += fraction_;
  if (due_ < 1) return false;
  due_ -= 1;
  return true;
}

void Verifier::Add(Answer answer) {
  {
    std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMaxWaiting) {
      ++unverified_;
      return;
    }
    waiting_.push_back(std::move(answer));
  }
  wake_.notify_one();
}

void Verifier::Fill(BackendReport* report) const {
  std::lock_guard lock(mutex_);
  report->verified += verified_;
  report->mismatches += mismatches_;
  report->unverified += unverified_;
}

void Verifier::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const Answer answer = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    const absl::StatusOr<bool> right = CheckWithMemory(answer);
    lock.lock();
    right.ok() ? ++verified_ : ++unverified_;
    if (right.ok() && !*right) ++mismatches_;
    lock.unlock();
    if (!right.ok()) {
      LogWarning("an answer of '", answer.network, "' could not be verified: ", right.status().message());
    } else if (!*right) {
      LogError("an answer of '", answer.network, "' to the input with hash ", InputHash(answer),
               " differs from the CPU's");
      on_mismatch_(answer);
    }
    lock.lock();
  }
}

absl::StatusOr<bool> Verifier::CheckWithMemory(const Answer& answer) {
  try {
    return Check(answer);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory");
  }
}

absl::StatusOr<bool> Verifier::Check(const Answer& answer) {
  std::vector<ConstTensorView> inputs;
  for (size_t i = 0; i < answer.inputs.size(); ++i) {
    inputs.push_back({ElementTypeOf(answer.check->inputs()[i].type), 1, answer.inputs[i]});
  }
  std::vector<std::vector<std::byte>> expected;
  std::vector<TensorView> outputs;
  expected.reserve(answer.outputs.size());
  for (size_t i = 0; i < answer.outputs.size(); ++i) {
    expected.emplace_back(answer.outputs[i].size());
    outputs.push_back({ElementTypeOf(answer.check->outputs()[i].type), 1, expected.back()});
  }
  RunContext context;
  MSQ_RETURN_IF_ERROR(answer.check->Run(inputs, outputs, context));
  return expected == answer.outputs;
}

std::string InputHash(const Verifier::Answer& answer) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const std::vector<std::byte>& input : answer.inputs) {
    for (std::byte b : input) hash = (hash ^ static_cast<uint64_t>(b)) * 0x100000001b3u;
  }
  return absl::StrFormat("%016x", hash);
}

}  // namespace msq::fpga

#include "tests/serving/load_generator.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "base/status.h"

namespace msq::testing {
namespace {

using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;

double SecondsOf(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

SteadyClock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
}

const char* CodeName(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return "OK";
    case grpc::StatusCode::UNAVAILABLE:
      return "UNAVAILABLE";
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return "RESOURCE_EXHAUSTED";
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return "DEADLINE_EXCEEDED";
    case grpc::StatusCode::INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case grpc::StatusCode::NOT_FOUND:
      return "NOT_FOUND";
    default:
      return "OTHER";
  }
}

bool Equal(const grpc::ByteBuffer& buffer, const std::string& expected) {
  if (buffer.Length() != expected.size()) return false;
  grpc::Slice slice;
  if (!buffer.DumpToSingleSlice(&slice).ok()) return false;
  return std::memcmp(slice.begin(), expected.data(), expected.size()) == 0;
}

class Generator {
 public:
  explicit Generator(const LoadOptions& options)
      : options_(options),
        request_(MakeBuffer(options.request)),
        gap_s_(options.rate_per_s > 0 ? options.rate_per_s : 1) {}

  absl::Status Connect() {
    for (int i = 0; i < options_.channels; ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // else equal channels would share one connection
      arguments.SetMaxReceiveMessageSize(-1);
      auto channel = grpc::CreateCustomChannel(options_.target, grpc::InsecureChannelCredentials(), arguments);
      if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10))) {
        return Unavailable("nobody answers at ", options_.target);
      }
      stubs_.push_back(std::make_unique<grpc::GenericStub>(channel));
    }
    return absl::OkStatus();
  }

  LoadReport Run() {
    const TimePoint start = SteadyClock::now();
    measure_from_ = start + Seconds(options_.warmup_s);
    measure_until_ = measure_from_ + Seconds(options_.duration_s);
    next_due_ = start;
    if (options_.rate_per_s <= 0) {
      for (int i = 0; i < options_.concurrency; ++i) Send(start);
    }
    TimePoint now = start;
    while (now < measure_until_) {
      if (options_.rate_per_s > 0) SendWhatIsDue(now);
      const TimePoint wake = options_.rate_per_s > 0 ? std::min(next_due_, measure_until_) : measure_until_;
      Call* done = Next(wake);
      now = SteadyClock::now();
      if (!measuring_ && now >= measure_from_) StartMeasuring(now);
      if (done == nullptr) continue;
      Finish(done, now);
      if (options_.rate_per_s <= 0 && now < measure_until_) Send(now);
    }
    StopMeasuring(now);
    while (in_flight_ > 0) {
      if (Call* done = Next(now + std::chrono::hours(1)); done != nullptr) Finish(done, now);
    }
    queue_.Shutdown();
    std::sort(report_.ok_latencies_us.begin(), report_.ok_latencies_us.end());
    std::sort(report_.refused_latencies_us.begin(), report_.refused_latencies_us.end());
    return std::move(report_);
  }

  void SetServerClock(clockid_t clock) { server_clock_ = clock; }

 private:
  struct Call {
    std::optional<grpc::ClientContext> context;
    grpc::ByteBuffer answer;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
    TimePoint start;
  };

  // Built once: a call takes another reference, no copy.
  static grpc::ByteBuffer MakeBuffer(const std::string& bytes) {
    const grpc::Slice slice(bytes);
    return {&slice, 1};
  }

  void Send(TimePoint due) {
    if (idle_.empty()) {
      calls_.push_back(std::make_unique<Call>());
      idle_.push_back(calls_.back().get());
    }
    Call* call = idle_.back();
    idle_.pop_back();
    call->context.emplace();
    call->answer.Clear();
    call->start = due;
    grpc::GenericStub& stub = *stubs_[sent_++ % stubs_.size()];
    call->reader = stub.PrepareUnaryCall(&*call->context, options_.method, request_, &queue_);
    call->reader->StartCall();
    call->reader->Finish(&call->answer, &call->status, call);
    ++in_flight_;
  }

  void SendWhatIsDue(TimePoint now) {
    for (; next_due_ <= now; next_due_ += Seconds(gap_s_(random_))) {
      if (in_flight_ < options_.max_in_flight) {
        Send(next_due_);
      } else if (measuring_) {
        ++report_.not_sent;
      }
    }
  }

  // Null when nothing is answered until then.
  Call* Next(TimePoint until) {
    void* tag = nullptr;
    bool ok = false;
    const auto wait = std::max(SteadyClock::duration::zero(), until - SteadyClock::now());
    const auto deadline =
        std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::system_clock::duration>(wait);
    return queue_.AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::GOT_EVENT ? static_cast<Call*>(tag)
                                                                                     : nullptr;
  }

  void Finish(Call* call, TimePoint now) {
    if (measuring_) Count(*call, now);
    call->reader.reset();
    call->context.reset();
    idle_.push_back(call);
    --in_flight_;
  }

  void Count(const Call& call, TimePoint now) {
    const double latency_us = std::chrono::duration<double, std::micro>(now - call.start).count();
    ++report_.answers[CodeName(call.status.error_code())];
    if (!call.status.ok()) {
      if (report_.first_error.empty()) report_.first_error = call.status.error_message();
      report_.refused_latencies_us.push_back(latency_us);
      return;
    }
    if (!options_.expected.empty() && !Equal(call.answer, options_.expected)) ++report_.wrong;
    if (report_.first_answer.empty()) {
      grpc::Slice slice;
      if (call.answer.DumpToSingleSlice(&slice).ok()) report_.first_answer.assign(slice.begin(), slice.end());
    }
    report_.ok_latencies_us.push_back(latency_us);
  }

  void StartMeasuring(TimePoint now) {
    measuring_ = true;
    measured_from_ = now;
    client_cpu_from_ = SecondsOf(CLOCK_PROCESS_CPUTIME_ID);
    if (server_clock_) server_cpu_from_ = SecondsOf(*server_clock_);
  }

  void StopMeasuring(TimePoint now) {
    if (!measuring_) StartMeasuring(now);
    measuring_ = false;
    report_.seconds = std::chrono::duration<double>(now - measured_from_).count();
    report_.client_cpu_s = SecondsOf(CLOCK_PROCESS_CPUTIME_ID) - client_cpu_from_;
    if (server_clock_) report_.server_cpu_s = SecondsOf(*server_clock_) - server_cpu_from_;
  }

  const LoadOptions& options_;
  const grpc::ByteBuffer request_;
  std::optional<clockid_t> server_clock_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Call*> idle_;
  std::minstd_rand random_{11};
  std::exponential_distribution<double> gap_s_;
  TimePoint measure_from_, measure_until_, measured_from_, next_due_;
  bool measuring_ = false;
  double client_cpu_from_ = 0, server_cpu_from_ = 0;
  size_t sent_ = 0;
  int in_flight_ = 0;
  LoadReport report_;
};

}  // namespace

absl::StatusOr<LoadReport> GenerateLoad(const LoadOptions& options) {
  Generator generator(options);
  if (options.server_pid != 0) {
    clockid_t clock;
    if (clock_getcpuclockid(options.server_pid, &clock) != 0) {
      return NotFound("no process has the id ", options.server_pid);
    }
    generator.SetServerClock(clock);
  }
  MSQ_RETURN_IF_ERROR(generator.Connect());
  return generator.Run();
}

}  // namespace msq::testing

// Cancels calls whose client does not read its answer: gRPC itself would hold it for as long as the connection lives.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace msq::server {

// Thread-safe. Must outlive its answers.
class AnswerWatch {
  struct Entry;

 public:
  explicit AnswerWatch(std::chrono::milliseconds limit);
  ~AnswerWatch();

  // The answer of one call, on its way to the client. It goes before what `cancel` cancels.
  class Answer {
   public:
    Answer() = default;
    ~Answer() { Sent(); }
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;
    // To be said before gRPC is told. Calls `cancel` on a thread of the watch's if Sent does not come in time; this thread
    // may say Sent meanwhile, every other one waits until `cancel` has returned.
    void Sending(AnswerWatch* watch, std::function<void()> cancel);
    void Sent();

   private:
    AnswerWatch* watch_ = nullptr;
    std::shared_ptr<Entry> entry_;  // null: nothing is on its way
    std::list<std::shared_ptr<Entry>>::iterator place_;
  };

 private:
  using Clock = std::chrono::steady_clock;

  void Run();
  std::list<std::shared_ptr<Entry>> TakeExpired();

  const std::chrono::milliseconds limit_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::list<std::shared_ptr<Entry>> entries_;  // the oldest first
  std::thread thread_;
};

}  // namespace msq::server

// Ends gRPC calls whose client does not read its answer: gRPC itself would hold it for as long as the connection lives.
#pragma once

#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include <grpcpp/server_context.h>

#include "absl/time/time.h"

namespace msq::server {

// Thread-safe. Must outlive its answers.
class AnswerWatch {
 public:
  explicit AnswerWatch(absl::Duration limit);
  ~AnswerWatch();

  // An answer on its way to the client. Stands beside the call's context and goes before it.
  class Answer {
   public:
    ~Answer() { Sent(); }
    // To be said before gRPC is told. Cancels the call if Sent does not come in time. The caller holds no lock that a
    // cancelled call takes.
    void Sending(AnswerWatch* watch, grpc::CallbackServerContext* context);
    void Sent();

   private:
    friend class AnswerWatch;
    AnswerWatch* watch_ = nullptr;  // null: nothing was ever sent
    bool watched_ = false;          // in the watch's list
    grpc::CallbackServerContext* context_ = nullptr;
    absl::Time since_;
    std::list<Answer*>::iterator place_;
  };

 private:
  void Run();

  const absl::Duration limit_;
  // A call that is cancelled may end, and its answer go, before TryCancel returns.
  std::recursive_mutex mutex_;
  std::condition_variable_any stop_;
  bool stopping_ = false;
  std::list<Answer*> answers_;  // the oldest first
  std::thread thread_;
};

}  // namespace msq::server

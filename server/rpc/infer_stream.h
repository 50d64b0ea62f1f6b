// ModelStreamInfer: many requests and answers on one call. Requests are computed side by side; answers leave in the
// order of the requests. An error is an answer too (error_message), and the stream goes on, unless the client sent the
// metadata `triton_grpc_error: true`: then the first error ends the stream with its status.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include "proto/inference.grpc.pb.h"
#include "server/engine/protocol_service.h"
#include "server/rpc/answer_watch.h"

namespace msq::server {

class GrpcService;

// Owned by the service until OnDone. gRPC calls the On... methods, instances answer requests, a shutdown closes: all on
// threads of their own.
class InferStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // Fills a request from its bytes, and says how much memory it takes.
  using Read = std::function<absl::Status(grpc::ByteBuffer*, inference::ModelInferRequest*, int64_t*)>;

  InferStream(GrpcService* service, ProtocolService* core, AnswerWatch* watch, grpc::CallbackServerContext* context,
              Caller caller, Read read);
  ~InferStream() override;

  void Start();
  // Reads no more; ends with UNAVAILABLE when what was read is answered.
  void Close();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  // As UnaryReactor in grpc_service.cc: gRPC may call the two above where they fall due.
  bool InternalInlineable() override { return true; }

 private:
  struct Exchange;
  // What to do next: decided under the lock, done after it.
  struct Step {
    const grpc::ByteBuffer* write = nullptr;
    bool finish = false;
  };

  void Submit(Exchange* exchange, int64_t request_bytes);
  void Answered(Exchange* exchange, absl::Status status);
  void ReadOn();
  void CancelAll();
  void Drop();  // the front exchange
  Step NextStep();
  void Take(Step step);

  GrpcService* const service_;
  ProtocolService* const core_;
  AnswerWatch* const watch_;
  grpc::CallbackServerContext* const context_;
  const Caller caller_;
  const Read read_;
  const absl::Time deadline_;
  const bool errors_end_stream_;

  AnswerWatch::Answer sent_;  // the one that is being written
  std::mutex mutex_;
  std::deque<std::unique_ptr<Exchange>> exchanges_;  // in order of arrival; the front one may be being written
  std::unique_ptr<Exchange> incoming_;               // being read
  int64_t held_bytes_ = 0;                           // of requests not yet answered and answers not yet written
  bool reading_ = false;
  bool writing_ = false;
  bool ending_ = false;    // nothing more is read
  bool dropping_ = false;  // nothing more is written
  bool finished_ = false;
  absl::Status end_;  // what the stream ends with
};

}  // namespace msq::server

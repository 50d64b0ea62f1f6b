// A unary gRPC call until its client has read the answer.
#pragma once

#include <grpcpp/server_context.h>

#include "server/engine/protocol_service.h"
#include "server/rpc/answer_watch.h"

namespace msq::server {

// Owns itself: it is gone once it has answered and gRPC is done with the call. The bytes of its answer count as held
// meanwhile, and a client that does not read them is cut off.
class UnaryReactor : public grpc::ServerUnaryReactor {
 public:
  UnaryReactor(ProtocolService* core, AnswerWatch* watch, const char* rpc, grpc::CallbackServerContext* context,
               grpc::ByteBuffer* answer)
      : core_(core), watch_(watch), rpc_(rpc), context_(context), answer_(answer) {}

  // Once. The message may go at the return.
  void Answer(absl::Status status, const google::protobuf::Message& response);

  void OnDone() override { delete this; }

  // "Not API", but what gRPC's own default reactor says of itself: the reactions here do so little that they run where
  // they fall due. Else each goes to gRPC's executor, whose one thread would wake up for every request.
  bool InternalInlineable() override { return true; }

 protected:
  void End(const absl::Status& status);  // with what is in the answer

  ProtocolService* const core_;
  AnswerWatch* const watch_;
  const char* const rpc_;
  grpc::CallbackServerContext* const context_;
  grpc::ByteBuffer* const answer_;

 private:
  HeldBytes held_;
  AnswerWatch::Answer sent_;
};

}  // namespace msq::server

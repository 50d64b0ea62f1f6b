// gRPC server reflection (v1alpha): tells clients such as grpcurl which services there are, and their messages. gRPC's own
// parses whatever comes, and makes fifty times as much memory of it; this one refuses what takes more than a question.
#pragma once

#include <string>
#include <vector>

#include "proto/reflection.grpc.pb.h"
#include "server/engine/protocol_service.h"
#include "server/rpc/answer_watch.h"

namespace msq::server {

// Thread-safe. Describes what is compiled into the program; lists `services`, full names, and itself. What else is given to
// the constructor must outlive it.
class ReflectionService final
    : public grpc::reflection::v1alpha::ServerReflection::WithRawCallbackMethod_ServerReflectionInfo<
          grpc::reflection::v1alpha::ServerReflection::Service> {
 public:
  ReflectionService(std::vector<std::string> services, ProtocolService* core, AnswerWatch* watch);

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ServerReflectionInfo(
      grpc::CallbackServerContext* context) override;

 private:
  const std::vector<std::string> services_;
  ProtocolService* const core_;
  AnswerWatch* const watch_;
};

}  // namespace msq::server

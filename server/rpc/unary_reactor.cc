#include "server/rpc/unary_reactor.h"

#include <string>

#include "base/log.h"
#include "server/protocol/reason.h"
#include "server/rpc/raw_message.h"
#include "server/rpc/status_to_grpc.h"

namespace msq::server {

void UnaryReactor::Answer(absl::Status status, const google::protobuf::Message& response) {
  if (status.ok()) status = SerializeMessage(response, answer_);
  End(status);
}

void UnaryReactor::End(const absl::Status& status) {
  if (GetLogSettings().verbose_level >= 1) {
    LogVerbose(1, "gRPC ", context_->peer(), " ", rpc_, ": ", absl::StatusCodeToString(status.code()));
  }
  if (const std::string reason = Reason(status); !reason.empty()) {
    context_->AddTrailingMetadata(kReasonMetadata, reason);
  }
  held_ = core_->Hold(static_cast<int64_t>(answer_->Length()));
  sent_.Sending(watch_, [context = context_] { context->TryCancel(); });
  Finish(ToGrpc(status));
}

}  // namespace msq::server

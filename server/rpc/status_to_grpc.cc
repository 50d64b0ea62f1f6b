#include "server/rpc/status_to_grpc.h"

#include <chrono>

#include "base/status.h"

namespace msq::server {
namespace {

constexpr size_t kMaxMessageBytes = 2048;  // trailers are limited to 8 KiB, and a byte may take three

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string message(Message(status));
  if (message.size() > kMaxMessageBytes) {
    size_t end = kMaxMessageBytes;
    while (end > 0 && (static_cast<uint8_t>(message[end]) & 0xC0) == 0x80) --end;  // never inside a UTF-8 character
    message.resize(end);
    message += "...";
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message);
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const std::chrono::system_clock::time_point deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

}  // namespace msq::server

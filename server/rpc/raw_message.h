// Messages as gRPC's bytes. It hands them over unread, so that who asks is known, and what a message will take in memory
// is bounded, before one is parsed.
#pragma once

#include <cstdint>

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "server/rpc/message_layout.h"

namespace msq::server {

// Fills the message and lets the bytes go. INVALID_ARGUMENT when they are no such message, and when it would take more
// than `max_bytes` of memory; RESOURCE_EXHAUSTED when there is no such memory. `layout` is the message's; `memory` is
// set to what it takes.
absl::Status ParseMessage(grpc::ByteBuffer* bytes, const MessageLayout& layout, int64_t max_bytes,
                          google::protobuf::Message* message, int64_t* memory);

// The message's bytes.
absl::Status SerializeMessage(const google::protobuf::Message& message, grpc::ByteBuffer* bytes);

template <typename Message>
const MessageLayout& LayoutOf() {
  static const MessageLayout layout(Message::descriptor());
  return layout;
}

}  // namespace msq::server

#include "server/rpc/raw_message.h"

#include <new>

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include "base/status.h"

namespace msq::server {
namespace {

absl::Status Parse(grpc::ByteBuffer* bytes, const MessageLayout& layout, int64_t max_bytes,
                   google::protobuf::Message* message, int64_t* memory) {
  {
    grpc::ProtoBufferReader reader(bytes);
    *memory = layout.ParsedBytes(&reader, max_bytes);
  }
  if (*memory > max_bytes) {
    return InvalidArgument("the message has ", bytes->Length(), " bytes, and would take", " more than ", max_bytes,
                           " bytes of memory");
  }
  grpc::ProtoBufferReader reader(bytes);
  if (message->ParseFromZeroCopyStream(&reader)) return absl::OkStatus();
  return InvalidArgument("the bytes are no message ", message->GetDescriptor()->full_name(),
                         ": they are corrupt or cut off, or a text of it is not UTF-8");
}

}  // namespace

absl::Status ParseMessage(grpc::ByteBuffer* bytes, const MessageLayout& layout, int64_t max_bytes,
                          google::protobuf::Message* message, int64_t* memory) {
  *memory = 0;
  absl::Status status;
  try {
    if (bytes->Valid()) status = Parse(bytes, layout, max_bytes, message, memory);
  } catch (const std::bad_alloc&) {
    status = absl::ResourceExhaustedError("out of memory: the request needs more than there is");
  }
  bytes->Clear();
  return status;
}

absl::Status SerializeMessage(const google::protobuf::Message& message, grpc::ByteBuffer* bytes) {
  bool owned;
  const grpc::Status status =
      grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(message, bytes, &owned);
  if (status.ok()) return absl::OkStatus();
  return absl::InternalError("the answer cannot be sent: " + status.error_message());
}

}  // namespace msq::server

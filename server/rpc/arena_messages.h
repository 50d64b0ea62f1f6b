// Where gRPC puts the messages of a unary call: both in one block of memory instead of an allocation for every part.
#pragma once

#include <cstddef>

#include <google/protobuf/arena.h>
#include <grpcpp/support/message_allocator.h>

namespace msq::server {

// Thread-safe; must outlive the server. The messages live until the call is over, as without it.
template <typename Request, typename Response>
class ArenaMessages final : public grpc::MessageAllocator<Request, Response> {
 public:
  grpc::MessageHolder<Request, Response>* AllocateMessages() override { return new Holder; }

 private:
  // Enough for the messages of a request with a few tensors; the arena allocates what goes beyond. Strings, and with
  // them the tensors' contents, are outside anyway.
  static constexpr size_t kBlockBytes = 3072;

  class Holder final : public grpc::MessageHolder<Request, Response> {
   public:
    Holder() : arena_(block_, kBlockBytes) {
      this->set_request(google::protobuf::Arena::CreateMessage<Request>(&arena_));
      this->set_response(google::protobuf::Arena::CreateMessage<Response>(&arena_));
    }
    void Release() override { delete this; }

   private:
    alignas(std::max_align_t) char block_[kBlockBytes];
    google::protobuf::Arena arena_;
  };
};

}  // namespace msq::server

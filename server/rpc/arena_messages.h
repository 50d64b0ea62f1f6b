// The messages of a call: both in one block of memory instead of an allocation for every part.
#pragma once

#include <cstddef>

#include <google/protobuf/arena.h>

namespace msq::server {

template <typename Request, typename Response>
class ArenaMessages final {
 public:
  ArenaMessages()
      : arena_(block_, kBlockBytes),
        request(google::protobuf::Arena::CreateMessage<Request>(&arena_)),
        response(google::protobuf::Arena::CreateMessage<Response>(&arena_)) {}
  ArenaMessages(const ArenaMessages&) = delete;
  ArenaMessages& operator=(const ArenaMessages&) = delete;

 private:
  // Enough for the messages of a request with a few tensors; the arena allocates what goes beyond. Strings, and with
  // them the tensors' contents, are outside anyway.
  static constexpr size_t kBlockBytes = 3072;

  alignas(std::max_align_t) char block_[kBlockBytes];
  google::protobuf::Arena arena_;

 public:
  Request* const request;
  Response* const response;
};

}  // namespace msq::server

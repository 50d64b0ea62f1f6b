// What a message will take in memory once it is parsed, told from its bytes: protobuf makes two hundred bytes of two.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>

namespace msq::server {

// Of one type of message. Thread-safe.
class MessageLayout {
 public:
  explicit MessageLayout(const google::protobuf::Descriptor* type);

  // The memory that parsing takes, near enough: what its parts take and what grows with them, but not the outermost
  // object. Stops reading where it is more than `limit`, and where the parser will stop because the bytes are no such
  // message. Looks at no byte of a text.
  int64_t ParsedBytes(google::protobuf::io::ZeroCopyInputStream* bytes, int64_t limit) const;

 private:
  enum class Kind : uint8_t { kUnknown, kScalar, kVarints, kFixed, kText, kMessage };
  struct Field {
    Kind kind = Kind::kUnknown;
    int wire_type = -1;      // of what is not a list in one piece
    int64_t part_bytes = 0;  // of each element, text or sub-message, beside the length of what is in it
    size_t type = 0;         // into types_
  };
  using Type = std::vector<Field>;  // by number
  struct Walk {
    google::protobuf::io::CodedInputStream* input;
    int64_t limit;
    int64_t bytes = 0;
  };

  size_t Add(const google::protobuf::Descriptor* type, std::map<const google::protobuf::Descriptor*, size_t>* known);
  bool Message(const Type& type, int depth, Walk* walk) const;
  bool Delimited(const Field& field, int depth, Walk* walk) const;

  std::vector<Type> types_;  // the first is the outermost message's
};

}  // namespace msq::server

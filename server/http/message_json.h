// Protobuf messages as the JSON of the REST protocol: every field under its own name, every integer a number.
#pragma once

#include <string>

#include <google/protobuf/message.h>
#include <nlohmann/json.hpp>

namespace msq::server {

using Json = nlohmann::ordered_json;

// Fields as declared. Scalars and lists are always there, members of a oneof and messages only when
// set; an enum is its value's name, a map an object, bytes are base64. (Protobuf's own JSON has 64-bit integers as
// strings, which is not what REST clients expect.)
Json MessageToJson(const google::protobuf::Message& message);

// The only way to text: bytes that are no UTF-8 are replaced, where the library would throw.
std::string DumpJson(const Json& json);

}  // namespace msq::server

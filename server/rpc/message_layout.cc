#include "server/rpc/message_layout.h"

#include <algorithm>

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/message.h>
#include <google/protobuf/wire_format_lite.h>

namespace msq::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

constexpr int kMaxDepth = 100;         // the parser's
constexpr int kMaxFieldNumber = 1000;  // beyond it a field counts as one that the type has not

// What a part costs beside itself: the allocator's, and its place in a list, which doubles when it is full.
constexpr int64_t kPlaceBytes = 48;
constexpr int64_t kTextBytes = 32 + kPlaceBytes;
constexpr int64_t kUnknownBytes = 64;  // of a field that the type has not: it is kept too

int64_t ElementBytes(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return 1;
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT64:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return 8;
    default:
      return 4;
  }
}

int WireType(const FieldDescriptor& field) {
  return WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(field.type()));
}

int64_t ObjectBytes(const Descriptor* type) {
  const auto* prototype = google::protobuf::MessageFactory::generated_factory()->GetPrototype(type);
  return prototype == nullptr ? 0 : static_cast<int64_t>(prototype->SpaceUsedLong());
}

int64_t PartBytes(const Descriptor* type) {
  if (!type->options().map_entry()) return kPlaceBytes + ObjectBytes(type);
  // An entry makes its value, whether it is there or not.
  const Descriptor* value = type->map_value()->message_type();
  return kPlaceBytes + 2 * kTextBytes + (value == nullptr ? 0 : ObjectBytes(value));
}

// Adds the number of varints in the next `size` bytes; false when they are not there.
bool CountVarints(google::protobuf::io::CodedInputStream* input, int size, int64_t* count) {
  while (size > 0) {
    const void* data;
    int length;
    if (!input->GetDirectBufferPointer(&data, &length)) return false;
    length = std::min(length, size);
    const auto* bytes = static_cast<const int8_t*>(data);
    *count += std::count_if(bytes, bytes + length, [](int8_t byte) { return byte >= 0; });
    input->Skip(length);
    size -= length;
  }
  return true;
}

}  // namespace

MessageLayout::MessageLayout(const Descriptor* type) {
  std::map<const Descriptor*, size_t> known;
  Add(type, &known);
}

size_t MessageLayout::Add(const Descriptor* type, std::map<const Descriptor*, size_t>* known) {
  const auto [it, is_new] = known->emplace(type, types_.size());
  if (!is_new) return it->second;
  const size_t index = types_.size();
  types_.emplace_back();
  Type fields;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor& descriptor = *type->field(i);
    if (descriptor.number() > kMaxFieldNumber) continue;
    const auto number = static_cast<size_t>(descriptor.number());
    if (fields.size() <= number) fields.resize(number + 1);
    const int wire_type = WireType(descriptor);
    Field& field = fields[number];
    if (descriptor.message_type() != nullptr) {
      field = {Kind::kMessage, wire_type, PartBytes(descriptor.message_type()), Add(descriptor.message_type(), known)};
    } else if (descriptor.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      field = {Kind::kText, wire_type, kTextBytes, 0};
    } else if (!descriptor.is_repeated()) {
      field = {Kind::kScalar, wire_type, 0, 0};
    } else {
      // A list that has grown may have twice the room that it needs.
      const Kind kind = wire_type == WireFormatLite::WIRETYPE_VARINT ? Kind::kVarints : Kind::kFixed;
      field = {kind, wire_type, 2 * ElementBytes(descriptor), 0};
    }
  }
  types_[index] = std::move(fields);
  return index;
}

int64_t MessageLayout::ParsedBytes(google::protobuf::io::ZeroCopyInputStream* bytes, int64_t limit) const {
  google::protobuf::io::CodedInputStream input(bytes);
  Walk walk{&input, limit};
  Message(types_.front(), 0, &walk);
  return walk.bytes;
}

// Walks to the end of a message, or of a group. False when there is no use in going on.
bool MessageLayout::Message(const Type& type, int depth, Walk* walk) const {
  static const Field kNone;
  static const Type kGroup;
  if (depth > kMaxDepth) return false;
  while (const uint32_t tag = walk->input->ReadTag()) {
    const auto number = static_cast<size_t>(WireFormatLite::GetTagFieldNumber(tag));
    const Field& field = number < type.size() ? type[number] : kNone;
    const int wire_type = WireFormatLite::GetTagWireType(tag);
    const int64_t part_bytes = wire_type == field.wire_type ? field.part_bytes : kUnknownBytes;
    bool more = true;
    uint64_t value;
    switch (wire_type) {
      case WireFormatLite::WIRETYPE_VARINT:
        walk->bytes += part_bytes;
        more = walk->input->ReadVarint64(&value);
        break;
      case WireFormatLite::WIRETYPE_FIXED64:
        walk->bytes += part_bytes;
        more = walk->input->Skip(8);
        break;
      case WireFormatLite::WIRETYPE_FIXED32:
        walk->bytes += part_bytes;
        more = walk->input->Skip(4);
        break;
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        more = Delimited(field, depth, walk);
        break;
      case WireFormatLite::WIRETYPE_START_GROUP:
        walk->bytes += 2 * kUnknownBytes;
        more = Message(kGroup, depth + 1, walk);
        break;
      case WireFormatLite::WIRETYPE_END_GROUP:
        return true;
      default:
        return false;
    }
    if (!more || walk->bytes > walk->limit) return false;
  }
  return true;
}

bool MessageLayout::Delimited(const Field& field, int depth, Walk* walk) const {
  int size;
  if (!walk->input->ReadVarintSizeAsInt(&size)) return false;
  if (field.kind == Kind::kMessage) {
    walk->bytes += field.part_bytes;
    const auto outer = walk->input->PushLimit(size);
    const bool more = Message(types_[field.type], depth + 1, walk) && walk->input->BytesUntilLimit() == 0;
    walk->input->PopLimit(outer);
    return more;
  }
  if (field.kind == Kind::kVarints) {
    int64_t count = 0;
    const bool more = CountVarints(walk->input, size, &count);
    walk->bytes += count * field.part_bytes;
    return more;
  }
  if (!walk->input->Skip(size)) return false;
  if (field.kind == Kind::kFixed) {
    walk->bytes += 2 * int64_t{size};
  } else if (field.kind == Kind::kText) {
    walk->bytes += field.part_bytes + size;
  } else {
    walk->bytes += kUnknownBytes + kTextBytes + size;
  }
  return true;
}

}  // namespace msq::server

// The protocol's tensor data types.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/model_config.pb.h"

namespace msq::server {

// Values are those of inference::DataType, so that a cast converts.
enum class Datatype : uint8_t {
  kBool = inference::TYPE_BOOL,
  kUint8 = inference::TYPE_UINT8,
  kUint16 = inference::TYPE_UINT16,
  kUint32 = inference::TYPE_UINT32,
  kUint64 = inference::TYPE_UINT64,
  kInt8 = inference::TYPE_INT8,
  kInt16 = inference::TYPE_INT16,
  kInt32 = inference::TYPE_INT32,
  kInt64 = inference::TYPE_INT64,
  kFp16 = inference::TYPE_FP16,
  kFp32 = inference::TYPE_FP32,
  kFp64 = inference::TYPE_FP64,
  kBytes = inference::TYPE_STRING,  // each element: its length as a little-endian uint32, then so many bytes
  kBf16 = inference::TYPE_BF16,
};

// "FP32", "BYTES": the spelling on the wire.
std::string_view DatatypeName(Datatype datatype);
std::optional<Datatype> ParseDatatype(std::string_view name);

// Bytes of an element, 0 for BYTES.
int64_t ElementBytes(Datatype datatype);

}  // namespace msq::server

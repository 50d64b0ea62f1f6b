// Typed tensor contents (InferTensorContents) as the raw bytes that raw_input_contents would hold.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "proto/inference.pb.h"
#include "server/protocol/datatype.h"

namespace msq::server {

// A view of the message where its field already has the wire's layout, else of `storage`. Empty when the field of that
// type is. INVALID_ARGUMENT for a value that the type cannot hold and for types that only travel raw.
absl::StatusOr<std::string_view> TypedContents(const inference::InferTensorContents& contents, Datatype datatype,
                                               std::string* storage);

}  // namespace msq::server

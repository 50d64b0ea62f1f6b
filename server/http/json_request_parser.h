// Parses the JSON of an inference request without ever holding its tensor data as JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"

namespace msq::server {

struct JsonTensor {
  std::vector<int64_t> dims;  // that the arrays nest to; one where the data is flat
  std::string bytes;          // as the protocol's raw contents
};

struct ParsedJsonRequest {
  nlohmann::json root;                          // an object; null where an input's data stood
  std::vector<std::optional<JsonTensor>> data;  // by input; none where it has no member `data`
};

// INVALID_ARGUMENT with the place of what is wrong: line and column for what is no JSON, else the path of the value
// ("inputs[0].data[3]: 300 is out of range for UINT8"). Depth, and what stands beside tensor data, are limited: no text
// makes it use more stack, or memory out of proportion. Few characters can be many bytes, so the data of all inputs
// together may have `max_tensor_bytes`.
absl::StatusOr<ParsedJsonRequest> ParseJsonRequest(std::string_view text, uint64_t max_tensor_bytes);

// Any other JSON text of a client, under the same limits. INVALID_ARGUMENT as above. An empty text is an empty object.
absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text);

}  // namespace msq::server

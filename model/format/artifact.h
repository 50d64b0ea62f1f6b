// Reads and writes .msq artifacts. Byte layout: docs/format.md; messages: proto/artifact.proto.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/ir/model.h"

namespace msq::format {

// File header, little-endian: magic (8 bytes), format version (u32), CRC-32 of the payload (u32), payload bytes (u64).
inline constexpr std::string_view kMagic = "\x89MSQ\r\n\x1a\n";  // as PNG's: catches text-mode and 7-bit damage
inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kHeaderBytes = 24;
inline constexpr size_t kMaxFileBytes = size_t{512} << 20;  // a billion 4-bit weights

// The bytes of an artifact; the same model gives the same bytes. INVALID_ARGUMENT when the model does not verify.
absl::StatusOr<std::string> Serialize(const ir::Model& model);

// Parses and verifies untrusted bytes. DATA_LOSS when the bytes are not an intact artifact, INVALID_ARGUMENT when they
// are but describe an impossible graph; the message names the field. Never aborts.
absl::StatusOr<ir::Model> Parse(std::string_view bytes);

// The same from and to files: also NOT_FOUND, and DATA_LOSS when reading fails. Write replaces the file atomically
// for other processes.
absl::StatusOr<ir::Model> ReadFile(const std::string& path);
absl::Status WriteFile(const ir::Model& model, const std::string& path);

}  // namespace msq::format

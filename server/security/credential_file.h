// Reads the small files that say who may connect: tokens, certificates, keys.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace msq::server {

// Whether others on the machine may read the file.
enum class FileContent : uint8_t { kPublic, kSecret };

// The file's bytes, at most 1 MiB of them. Fails with NOT_FOUND or INVALID_ARGUMENT; the message begins with the path.
// Logs a warning when everybody may read a secret.
absl::StatusOr<std::string> ReadCredentialFile(const std::string& path, FileContent content);

}  // namespace msq::server

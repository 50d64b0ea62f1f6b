// Whole files into memory.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace msq::media {

// The bytes of a regular file. NOT_FOUND, INVALID_ARGUMENT for what is no regular file or larger than 4 GiB, DATA_LOSS
// when reading fails; the message names the file.
absl::StatusOr<std::string> ReadFileBytes(const std::string& path);

}  // namespace msq::media

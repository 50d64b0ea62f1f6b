// NumPy arrays from files: .npy and .npz, the numeric types that networks are fed with.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace msq::media {

enum class ArrayType : uint8_t { kUint8, kInt8, kInt32, kInt64, kFloat32, kFloat64 };

// Row-major (C order), little-endian.
struct Array {
  ArrayType type = ArrayType::kFloat32;
  std::vector<int64_t> shape;
  std::string bytes;

  int64_t ElementCount() const;
  // Element i converted to float or int64 (float to int truncates). Precondition: 0 <= i < ElementCount().
  float FloatAt(int64_t i) const;
  int64_t IntAt(int64_t i) const;
};

// INVALID_ARGUMENT for damaged bytes, Fortran order, big-endian or another element type; says which. Never aborts.
absl::StatusOr<Array> ParseNpy(std::string_view bytes);
std::string SerializeNpy(const Array& array);

// Also NOT_FOUND; the message names the file (and the member).
absl::StatusOr<Array> ReadNpy(const std::string& path);
// Member name without ".npy" -> array.
absl::StatusOr<std::map<std::string, Array>> ReadNpz(const std::string& path);

}  // namespace msq::media

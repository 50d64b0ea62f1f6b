// Tensor data as JSON: from values in a request to the protocol's raw bytes, and from raw bytes to an answer's values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/protocol/datatype.h"

namespace msq::server {

// Takes the values of one tensor as a parser meets them, flat or nested, and converts each at once: memory is bounded by
// the bytes of the tensor, not by the JSON's. Every error is INVALID_ARGUMENT and says which value is wrong, and why.
class TensorFromJson {
 public:
  TensorFromJson(Datatype datatype, uint64_t max_bytes) : datatype_(datatype), max_bytes_(max_bytes) {}

  absl::Status Open();  // an array begins; the first one is the tensor itself
  absl::Status Close();
  bool open() const { return !lengths_.empty(); }

  absl::Status Add(bool value);
  absl::Status Add(int64_t value);
  absl::Status Add(uint64_t value);
  // A number that is no integer, or too large for one; `text` is how it was written.
  absl::Status Add(double value, std::string_view text);
  absl::Status Add(const std::string& value);

  // Where the next value stands: "[0][3]".
  std::string Position() const;
  // What the arrays nest to: one dimension where the data is flat.
  const std::vector<int64_t>& dims() const { return dims_; }
  std::string TakeBytes() { return std::move(bytes_); }

 private:
  absl::Status CountValue();
  template <typename Integer>
  absl::Status AddInteger(Integer value);

  const Datatype datatype_;
  const uint64_t max_bytes_;
  std::vector<int64_t> lengths_;  // of the arrays that are open, so far
  std::vector<int64_t> dims_;     // of the first array at each depth that was closed; -1: none yet
  size_t value_depth_ = 0;        // at which the values stand; 0: none yet
  std::string bytes_;
};

// Appends "[v,v,...]", flat, in the row-major order of the bytes. Floats are as short as they can be while any reader
// gets back their bits; NaN and infinities, which JSON lacks, become null. INVALID_ARGUMENT for what JSON cannot say:
// FP16, BF16, and BYTES that are no UTF-8.
absl::Status AppendTensorJson(Datatype datatype, std::string_view bytes, std::string* json);

}  // namespace msq::server

// Writing a ModelInferResponse, output by output.
#pragma once

#include <cstddef>
#include <span>

#include "absl/status/statusor.h"
#include "proto/inference.pb.h"
#include "server/protocol/request.h"

namespace msq::server {

// Model, version and id of the answer, from what the request and its model say.
void BeginResponse(const InferenceRequest& request);

// Adds the next output's description to the response and gives the room for its `bytes`, to be filled by the caller: in
// the message, or in the client's shared memory where the request asked for that. `shape` has the batch dimension where
// the model has one. INVALID_ARGUMENT when the region is too small.
absl::StatusOr<std::span<std::byte>> AddOutput(const InferenceRequest& request, const RequestedOutput& wanted,
                                               Datatype datatype, std::span<const int64_t> shape, size_t bytes);

// Adds the next output as its best classes, as its request wants. Precondition: FP32 values of `samples` samples.
absl::Status AddClasses(const InferenceRequest& request, const RequestedOutput& wanted,
                        std::span<const std::byte> values);

// Once everything is read and written: whether the client took shared memory away meanwhile.
absl::Status CheckRegions(const InferenceRequest& request);

}  // namespace msq::server

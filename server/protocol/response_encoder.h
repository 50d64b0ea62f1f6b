// From a backend's integers to a ModelInferResponse.
#pragma once

#include <span>

#include "base/aligned_buffer.h"
#include "proto/inference.pb.h"
#include "server/protocol/request_decoder.h"

namespace msq::server {

// `integers` holds one buffer per graph output. Fills names, shapes and raw contents of the outputs asked for.
void EncodeResponse(const inference::ModelInferRequest& request, const DecodedRequest& decoded,
                    std::span<const AlignedBuffer> integers, inference::ModelInferResponse* response);

}  // namespace msq::server

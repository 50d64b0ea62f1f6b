#include "server/protocol/response_encoder.h"

#include <string>
#include <utility>

#include "server/models/tensor_codec.h"

namespace msq::server {

void EncodeResponse(const inference::ModelInferRequest& request, const DecodedRequest& decoded,
                    std::span<const AlignedBuffer> integers, inference::ModelInferResponse* response) {
  response->set_model_name(decoded.model->name());
  response->set_model_version(decoded.model->version());
  response->set_id(request.id());
  for (const RequestedOutput& wanted : decoded.outputs) {
    const ServedOutput& output = decoded.model->outputs()[wanted.index];
    const AlignedBuffer& buffer = integers[wanted.index];
    inference::ModelInferResponse::InferOutputTensor* tensor = response->add_outputs();
    tensor->set_name(output.name);
    if (decoded.model->max_batch_size() > 0) tensor->add_shape(decoded.batch);
    std::string values = DecodeToFloat(output.type, {buffer.as<std::byte>(), buffer.size()}, decoded.batch);
    if (wanted.classes > 0) {
      tensor->set_datatype("BYTES");
      tensor->add_shape(wanted.classes);
      values = EncodeClasses(values, decoded.batch, wanted.classes, output.labels);
    } else {
      tensor->set_datatype("FP32");
      tensor->mutable_shape()->Add(output.type.shape.begin(), output.type.shape.end());
    }
    response->add_raw_output_contents(std::move(values));
  }
}

}  // namespace msq::server

// What a configuration says in vain, and whether what it says of tensors is so.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/protocol/model_description.h"

namespace msq::server {

// Appends a warning that names it for each field that is set and has no effect.
void WarnOfUnusedFields(const inference::ModelConfig& config, std::vector<std::string>* warnings);

// Inputs and outputs that a configuration names must be the model's, with its names, types, formats and dimensions; what
// is left out is not compared. INVALID_ARGUMENT names the field.
absl::Status CheckTensors(const inference::ModelConfig& asked, const ModelDescription& model);

}  // namespace msq::server

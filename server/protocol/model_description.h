// What clients see of a model version: its tensors and its configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/model_config.pb.h"
#include "server/protocol/datatype.h"

namespace msq::server {

using Dims = std::vector<int64_t>;  // of one sample; -1 is any length

struct InputDescription {
  std::string name;
  std::vector<Datatype> datatypes;  // that it takes; the first is the one that metadata tells
  Dims dims;
};

struct OutputDescription {
  std::string name;
  Datatype datatype = Datatype::kFp32;
  Dims dims;
  std::vector<std::string> labels;  // of the classes, for FP32 vectors
  size_t longest_label = 0;         // bytes
};

struct ModelDescription {
  std::string version;
  inference::ModelConfig config;  // complete: inputs, outputs and defaults filled in
  std::vector<InputDescription> inputs;
  std::vector<OutputDescription> outputs;

  const std::string& name() const { return config.name(); }
  int64_t max_batch_size() const { return config.max_batch_size(); }  // 0: tensors have no batch dimension
};

}  // namespace msq::server

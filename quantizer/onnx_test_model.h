// Builds small ONNX models in memory, for tests.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <string_view>
#include <vector>

namespace msq::quantizer {

class OnnxTestModel {
 public:
  // One input "x" of `dims`; a dimension of 0 is left free ("N").
  explicit OnnxTestModel(int opset, const std::vector<int64_t>& dims = {0, 2, 4, 4});

  onnx::NodeProto& Node(std::string_view op, const std::vector<std::string>& inputs, const std::string& output);
  void Floats(const std::string& name, const std::vector<int64_t>& dims, const std::vector<float>& values);
  void Ints(const std::string& name, const std::vector<int64_t>& values);
  void Output(const std::string& name);
  std::string Bytes() const { return model.SerializeAsString(); }

  onnx::ModelProto model;
};

void SetInt(onnx::NodeProto& node, std::string_view name, int64_t value);
void SetInts(onnx::NodeProto& node, std::string_view name, const std::vector<int64_t>& values);
void SetFloat(onnx::NodeProto& node, std::string_view name, float value);
void SetFloats(onnx::NodeProto& node, std::string_view name, const std::vector<float>& values);
void SetString(onnx::NodeProto& node, std::string_view name, std::string_view value);

}  // namespace msq::quantizer

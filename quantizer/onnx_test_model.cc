// Plain protobuf filling.
#include "quantizer/onnx_test_model.h"

namespace msq::quantizer {
namespace {

onnx::AttributeProto& AddAttribute(onnx::NodeProto& node, std::string_view name,
                                   onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(std::string(name));
  attribute.set_type(type);
  return attribute;
}

}  // namespace

OnnxTestModel::OnnxTestModel(int opset, const std::vector<int64_t>& dims) {
  model.set_ir_version(8);
  model.add_opset_import()->set_version(opset);
  model.mutable_graph()->set_name("test");
  onnx::ValueInfoProto& input = *model.mutable_graph()->add_input();
  input.set_name("x");
  auto& type = *input.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape();
  for (int64_t dim : dims) {
    auto& d = *type.mutable_shape()->add_dim();
    dim == 0 ? d.set_dim_param("N") : d.set_dim_value(dim);
  }
}

onnx::NodeProto& OnnxTestModel::Node(std::string_view op, const std::vector<std::string>& inputs,
                                     const std::string& output) {
  onnx::NodeProto& node = *model.mutable_graph()->add_node();
  node.set_op_type(std::string(op));
  node.set_name("node_" + output);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

void OnnxTestModel::Floats(const std::string& name, const std::vector<int64_t>& dims,
                           const std::vector<float>& values) {
  onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (int64_t dim : dims) tensor.add_dims(dim);
  for (float value : values) tensor.add_float_data(value);
}

void OnnxTestModel::Ints(const std::string& name, const std::vector<int64_t>& values) {
  onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_dims(static_cast<int64_t>(values.size()));
  tensor.set_raw_data(values.data(), values.size() * sizeof(int64_t));
}

void OnnxTestModel::Output(const std::string& name) {
  model.mutable_graph()->add_output()->set_name(name);
}

void SetInt(onnx::NodeProto& node, std::string_view name, int64_t value) {
  AddAttribute(node, name, onnx::AttributeProto::INT).set_i(value);
}
void SetInts(onnx::NodeProto& node, std::string_view name, const std::vector<int64_t>& values) {
  onnx::AttributeProto& attribute = AddAttribute(node, name, onnx::AttributeProto::INTS);
  for (int64_t value : values) attribute.add_ints(value);
}
void SetFloat(onnx::NodeProto& node, std::string_view name, float value) {
  AddAttribute(node, name, onnx::AttributeProto::FLOAT).set_f(value);
}
void SetFloats(onnx::NodeProto& node, std::string_view name, const std::vector<float>& values) {
  onnx::AttributeProto& attribute = AddAttribute(node, name, onnx::AttributeProto::FLOATS);
  for (float value : values) attribute.add_floats(value);
}
void SetString(onnx::NodeProto& node, std::string_view name, std::string_view value) {
  AddAttribute(node, name, onnx::AttributeProto::STRING).set_s(std::string(value));
}

}  // namespace msq::quantizer

#include "server/models/config_checks.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_join.h"
#include "base/status.h"

namespace msq::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Fields that are in effect, with all that is in them. `parameters` holds what users like beside the keys that are known.
constexpr std::string_view kInEffect[] = {
    "backend",
    "dynamic_batching",
    "input.data_type",
    "input.dims",
    "input.format",
    "input.name",
    "instance_group.count",
    "instance_group.host_policy",
    "instance_group.kind",
    "instance_group.name",
    "instance_group.rate_limiter.priority",
    "max_batch_size",
    "model_warmup",
    "name",
    "output.data_type",
    "output.dims",
    "output.name",
    "parameters",
    "platform",
    "response_cache",
    "sequence_batching.direct",
    "sequence_batching.max_sequence_idle_microseconds",
    "sequence_batching.oldest",
    "sequence_batching.state.input_name",
    "sequence_batching.state.output_name",
    "version_policy",
};

// `path` is the field's in the table above, `shown` the one with indices.
void WarnOfUnused(const Message& message, const std::string& path, const std::string& shown,
                  std::vector<std::string>* warnings) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string name = path + field->name();
    if (std::find(std::begin(kInEffect), std::end(kInEffect), name) != std::end(kInEffect)) continue;
    const std::string inside = name + ".";
    const bool some_inside = std::any_of(std::begin(kInEffect), std::end(kInEffect), [&](std::string_view known) {
      return known.substr(0, inside.size()) == inside;
    });
    if (!some_inside) {
      warnings->push_back(absl::StrCat("field '", shown, field->name(), "' has no effect here"));
    } else if (!field->is_repeated()) {
      WarnOfUnused(reflection.GetMessage(message, field), inside, shown + field->name() + ".", warnings);
    } else {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        WarnOfUnused(reflection.GetRepeatedMessage(message, field, i), inside,
                     absl::StrCat(shown, field->name(), "[", i, "]."), warnings);
      }
    }
  }
}

std::string DimsText(const Dims& dims) {
  return absl::StrCat("[", absl::StrJoin(dims, ","), "]");
}

// `real` are the model's tensors in its description; `is_type` says whether one of them can be of a data type.
template <typename Asked, typename Real, typename IsType>
absl::Status CheckList(const std::string& kind, const google::protobuf::RepeatedPtrField<Asked>& asked,
                       const std::vector<Real>& real, const IsType& is_type) {
  for (int i = 0; i < asked.size(); ++i) {
    const std::string field = absl::StrCat("field '", kind, "[", i, "].");
    const auto it = std::find_if(real.begin(), real.end(), [&](const Real& r) { return r.name == asked[i].name(); });
    if (it == real.end()) {
      const auto name_of = [](std::string* out, const Real& r) { absl::StrAppend(out, "'", r.name, "'"); };
      return InvalidArgument(field, "name': the model has no ", kind, " '", asked[i].name(),
                             "'; it has: ", absl::StrJoin(real, ", ", name_of));
    }
    if (asked[i].data_type() != inference::TYPE_INVALID && !is_type(*it, asked[i].data_type())) {
      return InvalidArgument(field, "data_type': '", it->name, "' cannot be ",
                             inference::DataType_Name(asked[i].data_type()));
    }
    const Dims dims(asked[i].dims().begin(), asked[i].dims().end());
    if (!dims.empty() && dims != it->dims) {
      return InvalidArgument(field, "dims': ", DimsText(dims), ", but '", it->name, "' of the model has ",
                             DimsText(it->dims));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void WarnOfUnusedFields(const inference::ModelConfig& config, std::vector<std::string>* warnings) {
  WarnOfUnused(config, "", "", warnings);
  for (int i = 0; i < config.instance_group_size(); ++i) {
    if (config.instance_group(i).kind() == inference::ModelInstanceGroup::KIND_GPU) {
      warnings->push_back(absl::StrCat("field 'instance_group[", i, "].kind': there is no GPU here"));
    }
  }
}

absl::Status CheckTensors(const inference::ModelConfig& asked, const ModelDescription& model) {
  const auto takes = [](const InputDescription& input, inference::DataType type) {
    const auto& types = input.datatypes;
    return std::find(types.begin(), types.end(), static_cast<Datatype>(type)) != types.end();
  };
  const auto gives = [](const OutputDescription& output, inference::DataType type) {
    return output.datatype == static_cast<Datatype>(type);
  };
  MSQ_RETURN_IF_ERROR(CheckList("input", asked.input(), model.inputs, takes));
  MSQ_RETURN_IF_ERROR(CheckList("output", asked.output(), model.outputs, gives));
  for (int i = 0; i < asked.input_size(); ++i) {
    const inference::ModelInput& input = asked.input(i);
    const auto& told = model.config.input();
    const auto it = std::find_if(told.begin(), told.end(), [&](const auto& t) { return t.name() == input.name(); });
    if (input.format() != inference::ModelInput::FORMAT_NONE && it != told.end() && it->format() != input.format()) {
      return InvalidArgument("field 'input[", i, "].format': ", inference::ModelInput::Format_Name(input.format()),
                             ", but '", input.name(), "' of the model is ",
                             inference::ModelInput::Format_Name(it->format()));
    }
  }
  return absl::OkStatus();
}

}  // namespace msq::server

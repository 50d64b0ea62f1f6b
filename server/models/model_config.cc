#include "server/models/model_config.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include "base/status.h"
#include "server/models/config_checks.h"

namespace msq::server {
namespace {

constexpr int kMaxNesting = 64;
constexpr size_t kMaxUnknown = 100;  // that are named; a client chooses how many there are

class Collector final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (error.empty()) error = absl::StrCat("line ", line + 1, ", column ", column + 1, ": ", message);
  }
  void AddWarning(int line, int, const std::string& message) override {
    warnings.push_back(absl::StrCat("line ", line + 1, ": ", message));
  }
  std::string error;
  std::vector<std::string> warnings;
};

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::error_code error;
  // Asked first: to open a FIFO is to wait for its writer.
  if (!std::filesystem::is_regular_file(path, error)) return InvalidArgument(path, ": is no regular file");
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxConfigBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) return InvalidArgument(path, ": cannot be read");
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxConfigBytes) return InvalidArgument(path, ": is larger than ", kMaxConfigBytes, " bytes");
  return text;
}

inference::ModelConfig Defaults(const std::string& model_name) {
  inference::ModelConfig config;
  config.set_name(model_name);
  config.set_max_batch_size(kDefaultMaxBatchSize);
  return config;
}

absl::Status Check(const std::string& model_name, ReadConfigResult* result) {
  const inference::ModelConfig& config = result->config;
  if (config.name() != model_name) {
    return InvalidArgument("name '", config.name(), "' differs from the folder's name '", model_name, "'");
  }
  if (config.max_batch_size() < 0 || config.max_batch_size() > kLargestMaxBatchSize) {
    return InvalidArgument("max_batch_size ", config.max_batch_size(), " is not in 0..", kLargestMaxBatchSize);
  }
  WarnOfUnusedFields(config, &result->warnings);
  return absl::OkStatus();
}

// Merges what the JSON sets into `config`: zeros that it spells out too, which a message of its own would forget.
absl::Status MergeJson(const std::string& json, bool ignore_unknown, inference::ModelConfig* config) {
  namespace util = google::protobuf::util;
  const google::protobuf::Descriptor* type = inference::ModelConfig::descriptor();
  const std::unique_ptr<util::TypeResolver> resolver(
      util::NewTypeResolverForDescriptorPool("type.googleapis.com", type->file()->pool()));
  util::JsonParseOptions options;
  options.ignore_unknown_fields = ignore_unknown;
  std::string binary;
  const auto status =
      util::JsonToBinaryString(resolver.get(), "type.googleapis.com/" + type->full_name(), json, &binary, options);
  if (!status.ok()) return InvalidArgument(std::string(status.message()));
  if (!config->MergeFromString(binary)) return InvalidArgument("is no ModelConfig");
  return absl::OkStatus();
}

using Json = nlohmann::json;

const google::protobuf::FieldDescriptor* FindField(const google::protobuf::Descriptor& type, const std::string& key) {
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->name() == key || type.field(i)->json_name() == key) return type.field(i);
  }
  return nullptr;
}

// Appends the path of each key that the type does not have. What has another shape than the type is the parser's matter.
void FindUnknown(const Json& json, const google::protobuf::Descriptor& type, const std::string& path,
                 std::vector<std::string>* unknown) {
  if (!json.is_object()) return;
  for (const auto& [key, value] : json.items()) {
    const google::protobuf::FieldDescriptor* field = FindField(type, key);
    if (field == nullptr) {
      unknown->push_back(path + key);
      continue;
    }
    if (field->message_type() == nullptr) continue;
    const std::string inside = path + key;
    if (field->is_map()) {
      const google::protobuf::Descriptor* mapped = field->message_type()->map_value()->message_type();
      if (mapped == nullptr || !value.is_object()) continue;
      for (const auto& [name, one] : value.items()) FindUnknown(one, *mapped, inside + "[" + name + "].", unknown);
    } else if (field->is_repeated() && value.is_array()) {
      for (size_t i = 0; i < value.size(); ++i) {
        FindUnknown(value[i], *field->message_type(), absl::StrCat(inside, "[", i, "]."), unknown);
      }
    } else {
      FindUnknown(value, *field->message_type(), inside + ".", unknown);
    }
  }
}

// A warning for each field of the JSON that is not known.
std::vector<std::string> UnknownFields(const std::string& text) {
  std::vector<std::string> unknown;
  FindUnknown(Json::parse(text, nullptr, false), *inference::ModelConfig::descriptor(), "", &unknown);
  const size_t all = unknown.size();
  if (all > kMaxUnknown) unknown.resize(kMaxUnknown);
  for (std::string& field : unknown) field = absl::StrCat("field '", field, "' is not known");
  if (all > kMaxUnknown) unknown.push_back(absl::StrCat(all - kMaxUnknown, " more fields are not known"));
  return unknown;
}

}  // namespace

absl::StatusOr<ReadConfigResult> ReadModelConfig(const std::string& path, const std::string& model_name) {
  ReadConfigResult result{Defaults(model_name), {}};
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) {
    result.config.mutable_dynamic_batching();
    return result;
  }
  MSQ_ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  Collector collector;
  google::protobuf::TextFormat::Parser parser;
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kMaxNesting);
  parser.RecordErrorsTo(&collector);
  if (!parser.MergeFromString(text, &result.config)) return InvalidArgument(path, ": ", collector.error);
  result.warnings = std::move(collector.warnings);
  if (absl::Status status = Check(model_name, &result); !status.ok()) return WithContext(status, path);
  return result;
}

absl::StatusOr<ReadConfigResult> ParseModelConfigJson(std::string_view json, const std::string& model_name) {
  if (json.size() > kMaxConfigBytes) return InvalidArgument("is larger than ", kMaxConfigBytes, " bytes");
  const std::string text(json);
  ReadConfigResult result{Defaults(model_name), {}};
  absl::Status status = MergeJson(text, false, &result.config);
  if (!status.ok()) {
    // A field that is not known is no more than a warning. The parser tells of the first thing alone, which may also be
    // a value of an enumeration.
    const std::string warning(Message(status));
    result.config = Defaults(model_name);
    status = MergeJson(text, true, &result.config);
    if (status.ok()) result.warnings = UnknownFields(text);
    if (status.ok() && result.warnings.empty()) result.warnings.push_back(warning);
  }
  MSQ_RETURN_IF_ERROR(status);
  MSQ_RETURN_IF_ERROR(Check(model_name, &result));
  return result;
}

std::vector<int64_t> ChooseVersions(const inference::ModelVersionPolicy& policy, std::vector<int64_t> present,
                                    std::vector<int64_t>* missing) {
  missing->clear();
  std::sort(present.begin(), present.end());
  if (policy.has_all()) return present;
  if (policy.has_specific()) {
    const std::set<int64_t> wanted(policy.specific().versions().begin(), policy.specific().versions().end());
    std::set_difference(wanted.begin(), wanted.end(), present.begin(), present.end(), std::back_inserter(*missing));
    std::erase_if(present, [&](int64_t version) { return !wanted.contains(version); });
    return present;
  }
  const size_t latest = std::max(1u, policy.latest().num_versions());
  if (present.size() > latest) present.erase(present.begin(), present.end() - static_cast<ptrdiff_t>(latest));
  return present;
}

}  // namespace msq::server

#include "server/models/model_config.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include "base/status.h"

namespace msq::server {
namespace {

constexpr int kMaxNesting = 64;
constexpr size_t kMaxConfigBytes = size_t{1} << 20;

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

// Fields that the daemon acts on, or that say nothing that the artifact does not say itself.
bool InEffect(const std::string& field) {
  static const std::set<std::string> kFields = {"name", "platform", "backend", "max_batch_size", "version_policy"};
  return kFields.count(field) > 0;
}

void WarnOfUnusedFields(const inference::ModelConfig& config, std::vector<std::string>* warnings) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  config.GetReflection()->ListFields(config, &fields);
  for (const auto* field : fields) {
    if (!InEffect(field->name())) warnings->push_back(absl::StrCat("field '", field->name(), "' has no effect yet"));
  }
}

}  // namespace

absl::StatusOr<ReadConfigResult> ReadModelConfig(const std::string& path, const std::string& model_name) {
  ReadConfigResult result;
  inference::ModelConfig& config = result.config;
  config.set_max_batch_size(kDefaultMaxBatchSize);
  config.set_name(model_name);
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return result;

  MSQ_ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  Collector collector;
  google::protobuf::TextFormat::Parser parser;
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kMaxNesting);
  parser.RecordErrorsTo(&collector);
  if (!parser.MergeFromString(text, &config)) return InvalidArgument(path, ": ", collector.error);
  if (config.name() != model_name) {
    return InvalidArgument(path, ": name '", config.name(), "' differs from the folder's name '", model_name, "'");
  }
  if (config.max_batch_size() < 0 || config.max_batch_size() > kLargestMaxBatchSize) {
    return InvalidArgument(path, ": max_batch_size ", config.max_batch_size(), " is not in 0..", kLargestMaxBatchSize);
  }
  result.warnings = std::move(collector.warnings);
  WarnOfUnusedFields(config, &result.warnings);
  return result;
}

std::vector<int64_t> ChooseVersions(const inference::ModelVersionPolicy& policy, std::vector<int64_t> present) {
  std::sort(present.begin(), present.end());
  if (policy.has_all()) return present;
  if (policy.has_specific()) {
    const auto& wanted = policy.specific().versions();
    std::erase_if(present, [&](int64_t v) { return std::find(wanted.begin(), wanted.end(), v) == wanted.end(); });
    return present;
  }
  const size_t latest = std::max(1u, policy.latest().num_versions());
  if (present.size() > latest) present.erase(present.begin(), present.end() - static_cast<ptrdiff_t>(latest));
  return present;
}

}  // namespace msq::server

#include "server/rpc/reflection_service.h"

#include <set>
#include <utility>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/server_context.h>

#include "absl/strings/str_cat.h"
#include "server/rpc/raw_message.h"
#include "server/rpc/status_to_grpc.h"

namespace msq::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1alpha::FileDescriptorResponse;
using grpc::reflection::v1alpha::ServerReflection;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

// What a question may take in memory. It is a name.
constexpr int64_t kMaxRequestBytes = 16 << 10;

void AddWithImports(const FileDescriptor& file, std::set<const FileDescriptor*>* added, FileDescriptorResponse* files) {
  if (!added->insert(&file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  files->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) AddWithImports(*file.dependency(i), added, files);
}

void Deny(grpc::StatusCode code, std::string message, ServerReflectionResponse* answer) {
  answer->mutable_error_response()->set_error_code(code);
  answer->mutable_error_response()->set_error_message(std::move(message));
}

void AnswerFile(const FileDescriptor* file, const std::string& what, ServerReflectionResponse* answer) {
  if (file == nullptr) return Deny(grpc::StatusCode::NOT_FOUND, absl::StrCat(what, " is not known"), answer);
  std::set<const FileDescriptor*> added;
  AddWithImports(*file, &added, answer->mutable_file_descriptor_response());
}

void AnswerExtension(const DescriptorPool& pool, const grpc::reflection::v1alpha::ExtensionRequest& request,
                     ServerReflectionResponse* answer) {
  const Descriptor* type = pool.FindMessageTypeByName(request.containing_type());
  const auto* extension = type == nullptr ? nullptr : pool.FindExtensionByNumber(type, request.extension_number());
  AnswerFile(extension == nullptr ? nullptr : extension->file(),
             absl::StrCat("extension ", request.extension_number(), " of '", request.containing_type(), "'"), answer);
}

void AnswerExtensionNumbers(const DescriptorPool& pool, const std::string& name, ServerReflectionResponse* answer) {
  const Descriptor* type = pool.FindMessageTypeByName(name);
  if (type == nullptr) return Deny(grpc::StatusCode::NOT_FOUND, absl::StrCat("type '", name, "' is not known"), answer);
  std::vector<const google::protobuf::FieldDescriptor*> extensions;
  pool.FindAllExtensions(type, &extensions);
  auto* numbers = answer->mutable_all_extension_numbers_response();
  numbers->set_base_type_name(name);
  for (const auto* extension : extensions) numbers->add_extension_number(extension->number());
}

ServerReflectionResponse AnswerTo(const ServerReflectionRequest& request, const std::vector<std::string>& services) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  ServerReflectionResponse answer;
  answer.set_valid_host(request.host());
  *answer.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kListServices:
      for (const std::string& name : services) answer.mutable_list_services_response()->add_service()->set_name(name);
      break;
    case ServerReflectionRequest::kFileByFilename:
      AnswerFile(pool.FindFileByName(request.file_by_filename()),
                 absl::StrCat("file '", request.file_by_filename(), "'"), &answer);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()),
                 absl::StrCat("symbol '", request.file_containing_symbol(), "'"), &answer);
      break;
    case ServerReflectionRequest::kFileContainingExtension:
      AnswerExtension(pool, request.file_containing_extension(), &answer);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      AnswerExtensionNumbers(pool, request.all_extension_numbers_of_type(), &answer);
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      Deny(grpc::StatusCode::INVALID_ARGUMENT, "the request asks nothing that this protocol knows", &answer);
      break;
  }
  return answer;
}

// One call: a question, its answer, the next. Owns itself.
class Conversation final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Conversation(const std::vector<std::string>* services, ProtocolService* core, AnswerWatch* watch,
               grpc::CallbackServerContext* context)
      : services_(*services), core_(core), watch_(watch), context_(context) {
    StartRead(&bytes_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    ServerReflectionRequest request;
    int64_t memory;
    absl::Status status =
        ParseMessage(&bytes_, LayoutOf<ServerReflectionRequest>(), kMaxRequestBytes, &request, &memory);
    if (status.ok()) status = SerializeMessage(AnswerTo(request, services_), &bytes_);
    if (!status.ok()) return Finish(ToGrpc(status));
    held_ = core_->Hold(static_cast<int64_t>(bytes_.Length()));
    sent_.Sending(watch_, [context = context_] { context->TryCancel(); });
    StartWrite(&bytes_);
  }
  void OnWriteDone(bool ok) override {
    sent_.Sent();
    held_ = {};
    if (!ok) return Finish(grpc::Status::OK);
    bytes_.Clear();
    StartRead(&bytes_);
  }
  void OnDone() override { delete this; }

 private:
  const std::vector<std::string>& services_;
  ProtocolService* const core_;
  AnswerWatch* const watch_;
  grpc::CallbackServerContext* const context_;
  grpc::ByteBuffer bytes_;
  HeldBytes held_;  // of the answer
  AnswerWatch::Answer sent_;
};

}  // namespace

ReflectionService::ReflectionService(std::vector<std::string> services, ProtocolService* core, AnswerWatch* watch)
    : services_([&] {
        services.emplace_back(ServerReflection::service_full_name());
        return std::move(services);
      }()),
      core_(core),
      watch_(watch) {}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ReflectionService::ServerReflectionInfo(
    grpc::CallbackServerContext* context) {
  return new Conversation(&services_, core_, watch_, context);
}

}  // namespace msq::server

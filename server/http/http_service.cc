#include "server/http/http_service.h"

#include <charconv>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "server/http/admin_json.h"
#include "server/http/json_request.h"
#include "server/http/json_request_parser.h"
#include "server/http/json_response.h"
#include "server/http/route.h"
#include "server/http/status_to_http.h"

namespace msq::server {
namespace {

constexpr char kJsonType[] = "application/json";
constexpr uint64_t kMaxUnreadBytes = 64 << 10;  // of a body that no endpoint reads
constexpr char kJsonBytesHeader[] = "Inference-Header-Content-Length";

// One request whose endpoint is found.
struct HttpCall {
  ProtocolService* core;
  uint64_t max_tensor_bytes;
  std::shared_ptr<WebExchange> exchange;
  Route route;
  Caller caller;

  void Respond(WebResponse response) const {
    response.held = std::make_shared<HeldBytes>(core->Hold(static_cast<int64_t>(response.body.size())));
    exchange->Respond(std::move(response));
  }
  void Respond(int status, const Json& json) const {
    Respond(WebResponse{status, {{"Content-Type", kJsonType}}, DumpJson(json)});
  }
  void Respond(const absl::Status& error) const { Respond(ErrorResponse(error)); }
};

template <typename Request, typename Response>
using Rpc = absl::Status (ProtocolService::*)(const Caller&, const Request&, Response*);
template <typename Request, typename Response>
using SlowRpc = void (ProtocolService::*)(const Caller&, const Request&, Response*, ProtocolService::Done);

// Messages whose JSON is their own. (Those that have another are overloads in admin_json.)
template <typename Response>
Json AnswerJson(const Response& response) {
  if constexpr (requires { ToJson(response); }) {
    return ToJson(response);
  } else {
    return MessageToJson(response);
  }
}

// Asked before a body comes over the network, and again before it is parsed: what anybody may send must cost nothing. A
// setting that is empty changes nothing, which only its call can tell.
absl::Status AuthorizeBody(const ProtocolService& core, const Caller& caller, const Route& route) {
  switch (route.endpoint) {
    case Endpoint::kModelInfer:
      return core.Authorize(caller, Right::kInfer, route.name);
    case Endpoint::kRepositoryModelLoad:
    case Endpoint::kRepositoryModelUnload:
      return core.Authorize(caller, Right::kAdmin, route.name);
    case Endpoint::kTraceSetting:
      return core.Authorize(caller, Right::kRead, route.name);
    case Endpoint::kLogSettings:
    case Endpoint::kRepositoryIndex:
      return core.Authorize(caller, Right::kRead, "");
    default:
      return core.Authorize(caller, Right::kAdmin, "");
  }
}

// Fills the request from the body, where the protocol has it read one; else leaves it alone.
template <typename Request>
absl::Status ReadBody(const HttpCall& call, Request* request) {
  if constexpr (requires(const nlohmann::json& json) { FromJson(json, request); }) {
    if (call.exchange->request().method != "POST") return absl::OkStatus();  // reads, and changes nothing
    MSQ_RETURN_IF_ERROR(AuthorizeBody(*call.core, call.caller, call.route));
    MSQ_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJsonObject(call.exchange->TakeBody()));
    return FromJson(json, request);
  } else {
    return absl::OkStatus();
  }
}

template <typename Request, typename Response>
void Answer(const HttpCall& call, Rpc<Request, Response> rpc, Request request) {
  Response response;
  absl::Status status = ReadBody(call, &request);
  if (status.ok()) status = (call.core->*rpc)(call.caller, request, &response);
  status.ok() ? call.Respond(200, AnswerJson(response)) : call.Respond(status);
}

template <typename Request, typename Response>
void AnswerLater(const HttpCall& call, SlowRpc<Request, Response> rpc) {
  struct Messages {
    Request request;
    Response response;
  };
  const auto messages = std::make_shared<Messages>();
  if (absl::Status status = ReadBody(call, &messages->request); !status.ok()) return call.Respond(status);
  messages->request.set_model_name(call.route.name);
  (call.core->*rpc)(call.caller, messages->request, &messages->response, [call, messages](const absl::Status& status) {
    status.ok() ? call.Respond(200, Json::object()) : call.Respond(status);
  });
}

template <typename Request>
Request OfModel(const Route& route) {
  Request request;
  request.set_name(route.name);
  request.set_version(route.version);
  return request;
}

template <typename Request>
Request OfRegion(const Route& route) {
  Request request;
  request.set_name(route.name);
  return request;
}

void AnswerLive(const HttpCall& call) {
  inference::ServerLiveResponse response;
  const absl::Status status = call.core->ServerLive(call.caller, {}, &response);
  if (!status.ok()) return call.Respond(status);
  call.Respond(response.live() ? 200 : 503, Json{{"live", response.live()}});
}

void AnswerReady(const HttpCall& call) {
  inference::ServerReadyResponse response;
  const absl::Status status = call.core->ServerReady(call.caller, {}, &response);
  if (!status.ok()) return call.Respond(status);
  call.Respond(response.ready() ? 200 : 503, Json{{"ready", response.ready()}});
}

void AnswerModelReady(const HttpCall& call) {
  inference::ModelReadyResponse response;
  const auto request = OfModel<inference::ModelReadyRequest>(call.route);
  const absl::Status status = call.core->ModelReady(call.caller, request, &response);
  if (!status.ok()) return call.Respond(status);
  call.Respond(response.ready() ? 200 : 503, Json{{"name", request.name()}, {"ready", response.ready()}});
}

// One inference under way.
struct Inference {
  inference::ModelInferRequest request;
  inference::ModelInferResponse response;
  BinaryOutputs binary_outputs;
};

absl::StatusOr<std::optional<uint64_t>> JsonBytes(const WebRequest& request) {
  const std::string_view text = request.Header(kJsonBytesHeader);
  if (text.empty()) return std::nullopt;
  uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error == std::errc() && end == text.data() + text.size()) return bytes;
  return InvalidArgument("header ", kJsonBytesHeader, " must be a number of bytes, got '", std::string(text), "'");
}

absl::Status ReadInference(const HttpCall& call, Inference* inference) {
  MSQ_RETURN_IF_ERROR(AuthorizeBody(*call.core, call.caller, call.route));
  inference->request.set_model_name(call.route.name);
  inference->request.set_model_version(call.route.version);
  MSQ_ASSIGN_OR_RETURN(const std::optional<uint64_t> json_bytes, JsonBytes(call.exchange->request()));
  const std::string body = call.exchange->TakeBody();
  if (json_bytes != 0) {
    return InferRequestFromJson(body, json_bytes, call.max_tensor_bytes, &inference->request,
                                &inference->binary_outputs);
  }
  inference::ModelMetadataResponse model;
  const auto model_request = OfModel<inference::ModelMetadataRequest>(call.route);
  MSQ_RETURN_IF_ERROR(call.core->ModelMetadata(call.caller, model_request, &model));
  // A client that sends bytes takes bytes, unless it says otherwise.
  inference->binary_outputs.others = call.exchange->request().Header("Accept") != kJsonType;
  return InferRequestFromRawTensor(body, model, &inference->request);
}

void WriteInference(const HttpCall& call, const Inference& inference) {
  auto answer = InferResponseToJson(inference.response, inference.binary_outputs);
  if (!answer.ok()) return call.Respond(answer.status());
  WebResponse response;
  response.headers = {{"Content-Type", answer->json_bytes ? "application/octet-stream" : kJsonType}};
  if (answer->json_bytes) response.headers.emplace_back(kJsonBytesHeader, std::to_string(*answer->json_bytes));
  response.body = std::move(answer->body);
  call.Respond(std::move(response));
}

// On a thread of a worker, which no exception may reach: JSON is many times as large as the tensor that it says.
void RespondInference(const HttpCall& call, const Inference& inference, const absl::Status& status) {
  if (!status.ok()) return call.Respond(status);
  try {
    WriteInference(call, inference);
  } catch (const std::bad_alloc&) {
    call.exchange->Respond(WebResponse{
        503, {{"Content-Type", kJsonType}, {"Retry-After", "1"}}, R"({"error":"no memory for the answer"})"});
  }
}

void AnswerInfer(const HttpCall& call) {
  const auto inference = std::make_shared<Inference>();
  if (absl::Status status = ReadInference(call, inference.get()); !status.ok()) return call.Respond(status);
  InferenceCall infer;
  infer.request = &inference->request;
  infer.response = &inference->response;
  infer.done = [call, inference](const absl::Status& status) { RespondInference(call, *inference, status); };
  const RequestHandle request = call.core->ModelInfer(call.caller, std::move(infer));
  call.exchange->OnDisconnect([core = call.core, request] { core->Cancel(request); });
}

void AnswerTraceSetting(const HttpCall& call) {
  inference::TraceSettingRequest request;
  request.set_model_name(call.route.name);
  Answer(call, &ProtocolService::TraceSetting, std::move(request));
}

void Dispatch(const HttpCall& call) {
  using Core = ProtocolService;
  const Route& route = call.route;
  switch (route.endpoint) {
    case Endpoint::kServerLive:
      return AnswerLive(call);
    case Endpoint::kServerReady:
      return AnswerReady(call);
    case Endpoint::kServerMetadata:
      return Answer(call, &Core::ServerMetadata, inference::ServerMetadataRequest());
    case Endpoint::kModelReady:
      return AnswerModelReady(call);
    case Endpoint::kModelMetadata:
      return Answer(call, &Core::ModelMetadata, OfModel<inference::ModelMetadataRequest>(route));
    case Endpoint::kModelInfer:
      return AnswerInfer(call);
    case Endpoint::kModelConfig:
      return Answer(call, &Core::ModelConfig, OfModel<inference::ModelConfigRequest>(route));
    case Endpoint::kModelStatistics:
      return Answer(call, &Core::ModelStatistics, OfModel<inference::ModelStatisticsRequest>(route));
    case Endpoint::kRepositoryIndex:
      return Answer(call, &Core::RepositoryIndex, inference::RepositoryIndexRequest());
    case Endpoint::kRepositoryModelLoad:
      return AnswerLater(call, &Core::RepositoryModelLoad);
    case Endpoint::kRepositoryModelUnload:
      return AnswerLater(call, &Core::RepositoryModelUnload);
    case Endpoint::kSystemSharedMemoryStatus:
      return Answer(call, &Core::SystemSharedMemoryStatus, OfRegion<inference::SystemSharedMemoryStatusRequest>(route));
    case Endpoint::kSystemSharedMemoryRegister:
      return Answer(call, &Core::SystemSharedMemoryRegister,
                    OfRegion<inference::SystemSharedMemoryRegisterRequest>(route));
    case Endpoint::kSystemSharedMemoryUnregister:
      return Answer(call, &Core::SystemSharedMemoryUnregister,
                    OfRegion<inference::SystemSharedMemoryUnregisterRequest>(route));
    case Endpoint::kCudaSharedMemoryStatus:
      return Answer(call, &Core::CudaSharedMemoryStatus, OfRegion<inference::CudaSharedMemoryStatusRequest>(route));
    case Endpoint::kCudaSharedMemoryRegister:
      return Answer(call, &Core::CudaSharedMemoryRegister, OfRegion<inference::CudaSharedMemoryRegisterRequest>(route));
    case Endpoint::kCudaSharedMemoryUnregister:
      return Answer(call, &Core::CudaSharedMemoryUnregister,
                    OfRegion<inference::CudaSharedMemoryUnregisterRequest>(route));
    case Endpoint::kTraceSetting:
      return AnswerTraceSetting(call);
    case Endpoint::kLogSettings:
      return Answer(call, &Core::LogSettings, inference::LogSettingsRequest());
  }
}

Caller CallerOf(const WebRequest& request) {
  return {std::string(request.Header("Authorization"))};
}

// Finds the route, or an answer that says why there is none.
std::optional<WebResponse> FindEndpoint(const WebRequest& request, Route* route) {
  auto found = FindRoute(request.path);
  if (!found.ok()) return ErrorResponse(found.status());
  if (!*found) return ErrorPage(404, "there is no endpoint " + request.path);
  *route = **std::move(found);
  if (!route->Takes(request.method)) {
    const std::string methods(route->methods);
    WebResponse response = ErrorPage(405, request.path + " takes " + methods + ", not " + request.method);
    response.headers.emplace_back("Allow", methods);
    return response;
  }
  // Browsers let any page post to any server, and add this header; a server for everybody would obey.
  if (request.method == "POST" && route->IsAdministrative() && !request.Header("Origin").empty()) {
    return ErrorPage(403, request.path + " takes no requests from web pages (header Origin)");
  }
  return std::nullopt;
}

// Does the request announce no more than anybody may send?
bool HasSmallBody(const WebRequest& request) {
  const std::string_view length = request.Header("Content-Length");
  uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bytes);
  return error == std::errc() && end == length.data() + length.size() && bytes <= kMaxUnreadBytes;
}

}  // namespace

std::optional<WebResponse> HttpService::CheckHead(const WebRequest& head) const {
  Route route;
  if (auto refusal = FindEndpoint(head, &route)) return refusal;
  if (head.method != "POST") {
    if (HasSmallBody(head)) return std::nullopt;
    return ErrorPage(413, head.method + " takes no body");
  }
  const absl::Status status = AuthorizeBody(*core_, CallerOf(head), route);
  if (!status.ok()) return ErrorResponse(status);
  return std::nullopt;
}

void HttpService::Handle(const std::shared_ptr<WebExchange>& exchange) {
  Route route;
  if (auto refusal = FindEndpoint(exchange->request(), &route)) return exchange->Respond(*std::move(refusal));
  Dispatch({core_, max_tensor_bytes_, exchange, std::move(route), CallerOf(exchange->request())});
}

}  // namespace msq::server

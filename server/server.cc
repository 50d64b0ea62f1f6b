#include "server/server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "proto/health.grpc.pb.h"
#include "server/engine/protocol_service.h"
#include "server/http/http_service.h"
#include "server/http/status_to_http.h"
#include "server/http/web_server.h"
#include "server/models/msq_platform.h"
#include "server/network/host_port.h"
#include "server/network/listener.h"
#include "server/observe/device_metrics.h"
#include "server/observe/metrics_endpoint.h"
#include "server/observe/process_metrics.h"
#include "server/observe/triton_metrics.h"
#include "server/power/power_metrics.h"
#include "server/power/power_sources.h"
#include "server/rpc/grpc_service.h"
#include "server/rpc/health_reporter.h"
#include "server/rpc/reflection_service.h"
#include "server/status/status_page.h"

namespace msq::server {
namespace {

// For answers and refusals to reach clients before their connections close.
constexpr absl::Duration kSettleTime = absl::Milliseconds(200);

// For what is left when every inference is answered: those who watch health would never leave.
constexpr absl::Duration kLastCallsTime = absl::Seconds(1);

// Under way on one connection; a client that has more waits.
constexpr int kMaxCallsPerConnection = 1024;

// For a client to say that it speaks gRPC (and TLS), before its connection is closed.
constexpr int kHandshakeTimeoutMs = 20000;

// Batches at a time on a device that is not this machine's processor: its instances alone are the limit.
constexpr int kDeviceSlots = 64;
constexpr std::string_view kCpu = "cpu";

// Between two looks at the models, where all is well.
constexpr absl::Duration kLookSlack = absl::Seconds(1);

constexpr int kMaxHttpThreads = 8;  // they translate; the work is done elsewhere

absl::Status CheckOptions(const ServerOptions& options) {
  if (options.repository.mode != ModelRepository::Mode::kExplicit && !options.repository.startup_models.empty()) {
    return InvalidArgument("load-model needs model-control-mode explicit: the other modes load every model");
  }
  if (options.threads < 0 || options.threads > 1024) return InvalidArgument("threads must be in 0..1024");
  if (options.workers < 1 || options.workers > 1024) return InvalidArgument("workers must be in 1..1024");
  if (options.response_cache_bytes < 0) return InvalidArgument("response cache bytes must not be negative");
  if (options.power_interval < absl::ZeroDuration()) return InvalidArgument("power interval must not be negative");
  if (options.answer_timeout <= absl::ZeroDuration()) return InvalidArgument("answer timeout must be positive");
  if (options.queue_capacity < 1) return InvalidArgument("queue capacity must be positive");
  if (options.max_queued_bytes < 1) return InvalidArgument("max queued bytes must be positive");
  if (options.max_message_bytes < 1024 || options.max_message_bytes > std::numeric_limits<int32_t>::max()) {
    return InvalidArgument("max message bytes must be in 1024..", std::numeric_limits<int32_t>::max());
  }
  for (const std::string& address : {options.grpc_address, options.http_address, options.metrics_address}) {
    MSQ_RETURN_IF_ERROR(ParseHostPort(address).status());
  }
  return absl::OkStatus();
}

std::string WithPort(const std::string& address, int port) {
  return address.substr(0, address.rfind(':') + 1) + std::to_string(port);
}

bool IsLoopback(std::string_view address) {
  const std::string_view host = address.substr(0, address.rfind(':'));
  return host == "localhost" || host == "::1" || host == "[::1]" || host.substr(0, 4) == "127.";
}

// The status page is for everybody who reaches it, as the metrics are; what these do not tell is for those alone who may
// ask for it elsewhere.
bool ShowsDetails(const ServerOptions& options) {
  const bool is_closed = !options.tokens_file.empty() || !options.tls.client_ca.empty();
  // Who listens to this machine alone trusts it, and not whoever reaches the metrics.
  const bool is_wider = !IsLoopback(options.metrics_address) && IsLoopback(options.grpc_address);
  return options.status_details.value_or(!is_closed && !is_wider);
}

// Both may be meant, behind a proxy say.
void WarnOfOpenDoors(const ServerOptions& options) {
  for (const std::string& address : {options.grpc_address, options.http_address}) {
    if (IsLoopback(address)) continue;
    if (options.tokens_file.empty() && options.tls.client_ca.empty()) {
      LogWarning("address ", address,
                 " is open to everybody who reaches it: neither tokens nor client certificates are"
                 " asked for");
    } else if (!options.tokens_file.empty() && !options.tls.enabled()) {
      LogWarning("address ", address, " has no TLS: tokens travel in clear");
    }
  }
}

}  // namespace

class Server::Impl {
 public:
  Impl(const ServerOptions& options, BackendRegistry backends, std::vector<std::unique_ptr<Platform>> platforms)
      : options_(options), backends_(std::move(backends)), platforms_(std::move(platforms)) {}
  ~Impl() {
    Shutdown(absl::ZeroDuration(), absl::ZeroDuration());
    endpoint_.reset();                                            // it looks at what follows
    http_.reset();                                                // the answers that it has not sent are counted
    repository_.reset();                                          // its loads end before what they tell of
    engine_.reset();                                              // waits for the answers
    for (const auto& scheduler : schedulers_) scheduler->Stop();  // models may have lanes in several
  }

  absl::Status Start() {
    MSQ_RETURN_IF_ERROR(CheckOptions(options_));
    WarnOfOpenDoors(options_);
    metrics_.SetBuildInfo(MSQ_VERSION);
    MSQ_ASSIGN_OR_RETURN(tokens_, TokenStore::Open(options_.tokens_file));
    MSQ_ASSIGN_OR_RETURN(tracer_, Tracer::Create(options_.trace_file, options_.trace));
    MSQ_ASSIGN_OR_RETURN(credentials_, CreateServerCredentials(options_.tls));
    MSQ_RETURN_IF_ERROR(OpenRepository());
    MSQ_RETURN_IF_ERROR(StartMetrics());
    if (options_.response_cache_bytes > 0) cache_ = std::make_unique<ResponseCache>(options_.response_cache_bytes);
    InferenceEngine::Options engine;
    engine.max_queued_bytes = options_.max_queued_bytes;
    engine.max_response_bytes = options_.max_message_bytes;
    engine.full_is_exhausted = options_.full_is_exhausted;
    engine_ = std::make_unique<InferenceEngine>(
        InferenceEngine::Parts{repository_.get(), &regions_, &metrics_, tracer_.get(), cache_.get()}, engine);
    core_ = std::make_unique<ProtocolService>(
        ProtocolService::Parts{repository_.get(), engine_.get(), &regions_, tracer_.get(), tokens_.get()},
        ProtocolService::Options{options_.server_name, MSQ_VERSION, options_.strict_readiness});
    watch_ = std::make_unique<AnswerWatch>(absl::ToChronoMilliseconds(options_.answer_timeout));
    service_ = std::make_unique<GrpcService>(core_.get(), watch_.get(), 4 * options_.max_message_bytes);
    // gRPC's health service brings no descriptor; asking ours for its name keeps it in the program.
    reflection_ = std::make_unique<ReflectionService>(
        std::vector<std::string>{inference::GRPCInferenceService::service_full_name(),
                                 grpc::health::v1::HealthCheckRequest::descriptor()->file()->service(0)->full_name()},
        core_.get(), watch_.get());
    http_service_ = std::make_unique<HttpService>(core_.get(), static_cast<uint64_t>(options_.max_message_bytes));
    MSQ_RETURN_IF_ERROR(StartGrpc());
    MSQ_RETURN_IF_ERROR(StartHttp());
    status_->SetService(core_.get());
    return absl::OkStatus();
  }

  std::string grpc_address() const { return WithPort(options_.grpc_address, grpc_listener_->port()); }
  std::string http_address() const { return WithPort(options_.http_address, http_->port()); }
  std::string metrics_address() const { return WithPort(options_.metrics_address, endpoint_->port()); }
  absl::Status ReloadTokens() { return tokens_->Reload(); }

  absl::Status CheckAlive(absl::Duration within) {
    if (stopped_) return absl::OkStatus();
    if (const absl::Duration age = reporter_->since_look(); age > within + kLookSlack) {
      return Unavailable("models were looked at last ", absl::FormatDuration(age), " ago");
    }
    grpc::ClientContext context;
    context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),  // a clock that nobody sets
                                      gpr_time_from_nanos(absl::ToInt64Nanoseconds(within), GPR_TIMESPAN)));
    grpc::health::v1::HealthCheckResponse answer;  // whatever it is: not to be ready is no illness
    const grpc::Status status = grpc::health::v1::Health::NewStub(own_channel_)->Check(&context, {}, &answer);
    if (status.ok() || stopped_) return absl::OkStatus();
    return Unavailable("gRPC does not answer: ", status.error_message());
  }

  void Shutdown(absl::Duration delay, absl::Duration grace) {
    if (grpc_ == nullptr || stopped_.exchange(true)) return;
    core_->StartDraining();
    reporter_->Stop();
    grpc_->GetHealthCheckService()->Shutdown();  // NOT_SERVING, for good
    absl::SleepFor(delay);
    const absl::Time deadline = absl::Now() + grace;
    // gRPC kills a call that arrives while it closes: refuse first, so that clients hear "unavailable" and go away.
    core_->StartRefusing();
    repository_->StopLoading();
    for (const auto& model : repository_->ReadyModels("")) model->Drain();  // nothing waits for company any more
    while (engine_->answered() < engine_->accepted() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(2));
    service_->CloseStreams();
    absl::SleepFor(std::min(grace, kSettleTime));
    if (http_ != nullptr) http_->Stop(deadline - absl::Now());
    grpc_listener_->Stop();
    // Returns when every call is answered, or has been ended.
    grpc_->Shutdown(absl::ToChronoTime(std::min(deadline, absl::Now() + kLastCallsTime)));
    LogInfo("drained: ", engine_->accepted(), " requests accepted, ", engine_->answered(), " answered");
  }

 private:
  absl::Status OpenRepository() {
    ModelRuntime runtime;
    for (std::string_view name : backends_.names()) {
      MSQ_ASSIGN_OR_RETURN(const Backend* backend, backends_.Find(name));
      metrics_.AddBackend(std::string(name), backend->capabilities());
      LogInfo("backend ", std::string(name), " runs on ", backend->capabilities().device);
      Scheduler::Options scheduler;
      scheduler.slots = name == kCpu ? options_.workers : kDeviceSlots;
      schedulers_.push_back(std::make_unique<Scheduler>(scheduler));
      runtime.schedulers.emplace(name, schedulers_.back().get());
    }
    PrepareOptions prepare;
    prepare.threads = options_.threads > 0 ? options_.threads : std::max(1u, std::thread::hardware_concurrency());
    platforms_.push_back(CreateMsqPlatform(backends_, prepare));
    for (const auto& platform : platforms_) runtime.platforms.push_back(platform.get());
    runtime.metrics = &metrics_;
    runtime.former.max_queue_size = options_.queue_capacity;
    runtime.default_instances = options_.workers;
    ModelRepository::Options repository = options_.repository;
    repository.ready_changed = [this](const std::string&, bool) {
      if (HealthReporter* health = health_) health->Update();  // else it is not up yet, and looks when it is
    };
    MSQ_ASSIGN_OR_RETURN(repository_, ModelRepository::Open(repository, runtime));
    return absl::OkStatus();
  }

  absl::Status StartMetrics() {
    std::vector<const prometheus::Collectable*> parts = {metrics_.registry().get(), &device_metrics_,
                                                         &process_metrics_};
    if (options_.power_interval > absl::ZeroDuration()) {
      meter_ =
          std::make_unique<PowerMeter>(MakePowerSources(sysfs_, backends_, options_.power_rails), &metrics_.ledger());
      meter_->Start(options_.power_interval);
      parts.push_back(&power_metrics_.emplace(meter_.get()));
    }
    if (options_.triton_metrics) {
      parts.push_back(&triton_metrics_.emplace(TritonMetrics::Parts{repository_.get(), &backends_, meter_.get()}));
    }
    status_.emplace(
        StatusReporter::Parts{repository_.get(), &backends_, &metrics_, meter_.get(), &history_},
        StatusReporter::Options{options_.server_name, MSQ_VERSION, ShowsDetails(options_), started_, started_at_});
    MSQ_ASSIGN_OR_RETURN(WebPages pages, MakeStatusPages(&*status_));
    MSQ_ASSIGN_OR_RETURN(endpoint_,
                         MetricsEndpoint::Start(options_.metrics_address, std::move(parts), std::move(pages)));
    return absl::OkStatus();
  }

  absl::Status StartGrpc() {
    grpc::EnableDefaultHealthCheckService(true);
    auto listener = Listener::Open(options_.grpc_address);
    if (!listener.ok()) return WithContext(listener.status(), "cannot listen on grpc address ", options_.grpc_address);
    grpc_listener_ = *std::move(listener);
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
    // Bounds what gRPC itself holds of messages in transit; below a few whole ones nobody would be served.
    grpc::ResourceQuota quota("msqd");
    quota.Resize(static_cast<size_t>(
        std::min<int64_t>(16 * options_.max_message_bytes, std::numeric_limits<std::ptrdiff_t>::max())));
    builder.SetResourceQuota(quota);
    builder.SetMaxReceiveMessageSize(static_cast<int>(options_.max_message_bytes));
    builder.SetMaxSendMessageSize(-1);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxCallsPerConnection);
    if (!options_.grpc_compression) {
      for (grpc_compression_algorithm algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
        builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
      }
    }
    grpc_acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials_);
    builder.RegisterService(service_.get());
    builder.RegisterService(reflection_.get());
    grpc_ = builder.BuildAndStart();
    if (grpc_ == nullptr) return absl::InternalError("gRPC does not start");
    own_channel_ = grpc_->InProcessChannel({});
    reporter_ = std::make_unique<HealthReporter>(grpc_->GetHealthCheckService(), repository_.get(), core_.get());
    health_ = reporter_.get();
    grpc_listener_->Serve([this](int connection) {
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
      parameters.fd = connection;
      grpc_acceptor_->HandleNewConnection(&parameters);
    });
    return absl::OkStatus();
  }

  absl::Status StartHttp() {
    WebServer::Options options;
    options.address = options_.http_address;
    if (options_.tls.enabled()) options.tls = {options_.tls.certificate, options_.tls.key, options_.tls.client_ca};
    options.threads = std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 2, kMaxHttpThreads);
    options.max_body_bytes = static_cast<uint64_t>(options_.max_message_bytes);
    options.max_total_body_bytes = 16 * options.max_body_bytes;
    options.answer_timeout = options_.answer_timeout;
    options.error_page = RefusalPage;
    options.check_head = [this](const WebRequest& head) { return http_service_->CheckHead(head); };
    auto server = WebServer::Start(
        std::move(options), [this](const std::shared_ptr<WebExchange>& exchange) { http_service_->Handle(exchange); });
    if (!server.ok()) return WithContext(server.status(), "http");
    http_ = *std::move(server);
    return absl::OkStatus();
  }

  // Each uses those above it.
  const absl::Time started_ = absl::Now();
  const std::chrono::steady_clock::time_point started_at_ = std::chrono::steady_clock::now();
  LogHistory& history_ = LogHistory::OfProcess();
  const ServerOptions options_;
  const BackendRegistry backends_;
  std::vector<std::unique_ptr<Platform>> platforms_;
  Metrics metrics_;
  const DeviceMetrics device_metrics_{backends_};
  const ProcessMetrics process_metrics_;
  std::unique_ptr<TokenStore> tokens_;
  std::unique_ptr<Tracer> tracer_;
  std::shared_ptr<grpc::ServerCredentials> credentials_;
  SharedMemoryRegistry regions_{{}};
  std::unique_ptr<ResponseCache> cache_;
  std::vector<std::unique_ptr<Scheduler>> schedulers_;
  std::unique_ptr<ModelRepository> repository_;
  const SysfsFiles sysfs_{options_.sysfs_root};
  std::unique_ptr<PowerMeter> meter_;
  std::optional<PowerMetrics> power_metrics_;
  std::optional<TritonMetrics> triton_metrics_;
  std::optional<StatusReporter> status_;
  std::unique_ptr<MetricsEndpoint> endpoint_;
  std::unique_ptr<InferenceEngine> engine_;
  std::unique_ptr<ProtocolService> core_;
  std::unique_ptr<AnswerWatch> watch_;
  std::unique_ptr<GrpcService> service_;
  std::unique_ptr<ReflectionService> reflection_;
  std::unique_ptr<HttpService> http_service_;
  std::unique_ptr<WebServer> http_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> grpc_acceptor_;
  std::unique_ptr<grpc::Server> grpc_;
  std::shared_ptr<grpc::Channel> own_channel_;
  std::unique_ptr<Listener> grpc_listener_;
  std::unique_ptr<HealthReporter> reporter_;
  std::atomic<HealthReporter*> health_{nullptr};  // the same, for loads that end before it is there
  std::atomic<bool> stopped_{false};
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Create(const ServerOptions& options, BackendRegistry backends,
                                                       std::vector<std::unique_ptr<Platform>> platforms) {
  auto impl = std::make_unique<Impl>(options, std::move(backends), std::move(platforms));
  MSQ_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::string Server::grpc_address() const {
  return impl_->grpc_address();
}
std::string Server::http_address() const {
  return impl_->http_address();
}
std::string Server::metrics_address() const {
  return impl_->metrics_address();
}
absl::Status Server::ReloadTokens() {
  return impl_->ReloadTokens();
}
absl::Status Server::CheckAlive(absl::Duration within) {
  return impl_->CheckAlive(within);
}
void Server::Shutdown(absl::Duration delay, absl::Duration grace) {
  impl_->Shutdown(delay, grace);
}

}  // namespace msq::server

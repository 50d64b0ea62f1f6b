#include "clients/cpp/client.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "absl/time/clock.h"
#include "base/status.h"
#include "proto/inference.grpc.pb.h"

namespace msq::client {

class Client::Impl {
 public:
  using Stub = inference::GRPCInferenceService::Stub;

  Impl(std::string url, std::shared_ptr<grpc::Channel> channel, absl::Duration call_timeout)
      : url_(std::move(url)), stub_(std::move(channel)), call_timeout_(call_timeout) {}

  ~Impl() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return under_way_ == 0; });
  }

  // One blocking call of a stub's method.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + call_timeout_));
    Response response;
    const grpc::Status status = (stub_.*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response;
  }

  void InferAsync(inference::ModelInferRequest request,
                  std::function<void(absl::StatusOr<inference::ModelInferResponse>)> done) {
    struct State {
      grpc::ClientContext context;
      inference::ModelInferRequest request;
      inference::ModelInferResponse response;
    };
    auto state = std::make_shared<State>();
    state->request = std::move(request);
    state->context.set_deadline(absl::ToChronoTime(absl::Now() + call_timeout_));
    {
      std::lock_guard lock(mutex_);
      ++under_way_;
    }
    const auto call = state.get();
    stub_.async()->ModelInfer(
        &call->context, &call->request, &call->response,
        [this, state = std::move(state), done = std::move(done)](const grpc::Status& status) mutable {
          if (status.ok()) {
            done(std::move(state->response));
          } else {
            done(FromGrpc(status));
          }
          // The context holds the channel, whose last holder ends gRPC's threads: that must be
          // the client, not this thread, which is one of them.
          done = nullptr;
          state.reset();
          std::lock_guard lock(mutex_);
          if (--under_way_ == 0) idle_.notify_all();
        });
  }

 private:
  absl::Status FromGrpc(const grpc::Status& status) const {
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                        absl::StrCat(url_, ": ", status.error_message()));
  }

  const std::string url_;
  Stub stub_;
  const absl::Duration call_timeout_;
  std::mutex mutex_;
  std::condition_variable idle_;
  int under_way_ = 0;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const std::string& url, absl::Duration connect_timeout,
                                                        absl::Duration call_timeout) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  auto channel = grpc::CreateCustomChannel(url, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(absl::ToChronoTime(absl::Now() + connect_timeout))) {
    return Unavailable(url, ": no server answers there");
  }
  return std::unique_ptr<Client>(new Client(std::make_unique<Impl>(url, std::move(channel), call_timeout)));
}

absl::StatusOr<bool> Client::ServerLive() {
  MSQ_ASSIGN_OR_RETURN(const auto response, impl_->Call(&Impl::Stub::ServerLive, inference::ServerLiveRequest()));
  return response.live();
}

absl::StatusOr<bool> Client::ServerReady() {
  MSQ_ASSIGN_OR_RETURN(const auto response, impl_->Call(&Impl::Stub::ServerReady, inference::ServerReadyRequest()));
  return response.ready();
}

absl::StatusOr<bool> Client::ModelReady(const std::string& model, const std::string& version) {
  inference::ModelReadyRequest request;
  request.set_name(model);
  request.set_version(version);
  MSQ_ASSIGN_OR_RETURN(const auto response, impl_->Call(&Impl::Stub::ModelReady, request));
  return response.ready();
}

absl::StatusOr<inference::ServerMetadataResponse> Client::ServerMetadata() {
  return impl_->Call(&Impl::Stub::ServerMetadata, inference::ServerMetadataRequest());
}

absl::StatusOr<inference::ModelMetadataResponse> Client::ModelMetadata(const std::string& model,
                                                                       const std::string& version) {
  inference::ModelMetadataRequest request;
  request.set_name(model);
  request.set_version(version);
  return impl_->Call(&Impl::Stub::ModelMetadata, request);
}

absl::StatusOr<inference::ModelConfig> Client::ModelConfig(const std::string& model, const std::string& version) {
  inference::ModelConfigRequest request;
  request.set_name(model);
  request.set_version(version);
  MSQ_ASSIGN_OR_RETURN(auto response, impl_->Call(&Impl::Stub::ModelConfig, request));
  return std::move(*response.mutable_config());
}

absl::StatusOr<inference::ModelStatisticsResponse> Client::ModelStatistics(const std::string& model,
                                                                           const std::string& version) {
  inference::ModelStatisticsRequest request;
  request.set_name(model);
  request.set_version(version);
  return impl_->Call(&Impl::Stub::ModelStatistics, request);
}

absl::StatusOr<inference::RepositoryIndexResponse> Client::RepositoryIndex() {
  return impl_->Call(&Impl::Stub::RepositoryIndex, inference::RepositoryIndexRequest());
}

absl::StatusOr<inference::ModelInferResponse> Client::Infer(const inference::ModelInferRequest& request) {
  return impl_->Call(&Impl::Stub::ModelInfer, request);
}

void Client::InferAsync(inference::ModelInferRequest request,
                        std::function<void(absl::StatusOr<inference::ModelInferResponse>)> done) {
  impl_->InferAsync(std::move(request), std::move(done));
}

}  // namespace msq::client

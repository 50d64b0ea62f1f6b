// The whole server in this process over a loopback connection, with a backend that can be held.
#include "server/server.h"

#include <atomic>
#include <ctime>
#include <deque>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "base/status.h"
#include "model/testing/sample_model.h"
#include "proto/health.grpc.pb.h"
#include "proto/inference.grpc.pb.h"
#include "server/testing/fake_backend.h"
#include "server/testing/leaping_clock.h"
#include "server/testing/test_repository.h"

namespace msq::server {
namespace {

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    folder_.AddModel("m", 1, msq::testing::SampleModel());
    options_.repository.path = folder_.path();
    options_.grpc_address = options_.http_address = options_.metrics_address = "127.0.0.1:0";
    options_.max_message_bytes = 1 << 20;
  }

  absl::Status Start() {
    BackendRegistry backends;
    if (device_ != nullptr) MSQ_RETURN_IF_ERROR(backends.Register(testing::CreateFakeBackend(device_, "fpga")));
    MSQ_RETURN_IF_ERROR(backends.Register(testing::CreateFakeBackend(control_)));
    MSQ_ASSIGN_OR_RETURN(server_, Server::Create(options_, std::move(backends)));
    channel_ = grpc::CreateChannel(server_->grpc_address(), grpc::InsecureChannelCredentials());
    stub_ = inference::GRPCInferenceService::NewStub(channel_);
    return absl::OkStatus();
  }

  static inference::ModelInferRequest Request(size_t extra_bytes = 0) {
    inference::ModelInferRequest request;
    request.set_model_name("m");
    auto* input = request.add_inputs();
    input->set_name("pixels");
    input->set_datatype("UINT8");
    for (int64_t dimension : {1, 3, 8, 8}) input->add_shape(dimension);
    request.add_raw_input_contents(std::string(192 + extra_bytes, 'x'));
    return request;
  }

  grpc::Status Infer(const inference::ModelInferRequest& request, grpc::ClientContext* context = nullptr) {
    grpc::ClientContext own;
    inference::ModelInferResponse response;
    return stub_->ModelInfer(context != nullptr ? context : &own, request, &response);
  }

  grpc::health::v1::HealthCheckResponse::ServingStatus Health(const std::string& service) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    grpc::health::v1::HealthCheckResponse response;
    request.set_service(service);
    const auto status = grpc::health::v1::Health::NewStub(channel_)->Check(&context, request, &response);
    return status.ok() ? response.status() : grpc::health::v1::HealthCheckResponse::SERVICE_UNKNOWN;
  }

  bool Ready() {
    grpc::ClientContext context;
    inference::ServerReadyResponse response;
    return stub_->ServerReady(&context, {}, &response).ok() && response.ready();
  }

  bool ModelReady() {
    grpc::ClientContext context;
    inference::ModelReadyRequest request;
    inference::ModelReadyResponse response;
    request.set_name("m");
    return stub_->ModelReady(&context, request, &response).ok() && response.ready();
  }

  // Sends requests with short deadlines while a worker is held, until one is refused: its status and reason.
  std::pair<grpc::Status, std::string> AwaitRefusal() {
    for (int i = 0; i < 1000; ++i) {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
      const grpc::Status status = Infer(Request(), &context);
      if (status.ok() || status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) continue;
      const auto it = context.GetServerTrailingMetadata().find("x-msq-reason");
      if (it == context.GetServerTrailingMetadata().end()) return {status, ""};
      return {status, std::string(it->second.data(), it->second.size())};
    }
    return {grpc::Status::OK, "no refusal"};
  }

  testing::TestRepository folder_;
  ServerOptions options_;
  std::shared_ptr<testing::FakeControl> control_ = std::make_shared<testing::FakeControl>();
  std::shared_ptr<testing::FakeControl> device_;  // a second backend's, preferred to the first
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub_;
};

using grpc::health::v1::HealthCheckResponse;
using ::testing::HasSubstr;

TEST_F(ServerTest, WarnsOfAddressesThatAreOpenOrInClear) {
  const auto log = [this] {
    ::testing::internal::CaptureStderr();
    EXPECT_TRUE(Start().ok());
    server_.reset();
    return ::testing::internal::GetCapturedStderr();
  };
  const std::string open = "is open to everybody", clear = "tokens travel in clear";
  std::string lines = log();
  EXPECT_EQ(lines.find(open), lines.npos) << lines;
  options_.grpc_address = "0.0.0.0:0";
  lines = log();
  EXPECT_NE(lines.find("WARNING address 0.0.0.0:0 " + open), lines.npos) << lines;
  EXPECT_EQ(lines.find(clear), lines.npos) << lines;
  folder_.AddFile("tokens.json", R"({"tokens": []})");
  options_.tokens_file = folder_.path() + "/tokens.json";
  lines = log();
  EXPECT_EQ(lines.find(open), lines.npos) << lines;
  EXPECT_NE(lines.find(clear), lines.npos) << lines;
  options_.grpc_address = "127.0.0.1:0";
  lines = log();
  EXPECT_EQ(lines.find(clear), lines.npos) << lines;
}

TEST_F(ServerTest, IsAliveReadyOrNotAndWhileItStops) {
  folder_.AddFile("broken/1/model.msq", "no artifact");
  ASSERT_TRUE(Start().ok());
  EXPECT_FALSE(Ready());
  EXPECT_EQ(server_->CheckAlive(absl::Seconds(10)), absl::OkStatus());
  // Times that are over: the call's; then also the models', who have a second more.
  EXPECT_THAT(server_->CheckAlive(-absl::Milliseconds(500)).ToString(),
              HasSubstr("UNAVAILABLE: gRPC does not answer: "));
  EXPECT_THAT(server_->CheckAlive(-absl::Seconds(2)).ToString(), HasSubstr("UNAVAILABLE: models were looked at last "));
  server_->Shutdown(absl::ZeroDuration(), absl::Seconds(10));
  EXPECT_EQ(server_->CheckAlive(-absl::Seconds(2)), absl::OkStatus());
}

TEST_F(ServerTest, IsAliveWhateverTheWallClockSays) {
  ASSERT_TRUE(Start().ok());
  const testing::LeapingClock clock(absl::Hours(1));
  const std::time_t now = std::time(nullptr);
  ASSERT_GE(absl::ToTimeT(absl::Now()), now + 3600);  // it does leap
  EXPECT_EQ(server_->CheckAlive(absl::Seconds(10)), absl::OkStatus());
}

TEST_F(ServerTest, ServesAndReportsHealth) {
  ASSERT_TRUE(Start().ok());
  EXPECT_TRUE(Infer(Request()).ok());
  EXPECT_TRUE(Ready());
  EXPECT_EQ(Health(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(Health("inference.GRPCInferenceService"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Health("model:m"), HealthCheckResponse::SERVING);
  EXPECT_TRUE(ModelReady());
  EXPECT_EQ(Health("model:n"), HealthCheckResponse::SERVICE_UNKNOWN);
}

// Whether health says within some seconds what is expected.
class ServerDevicesTest : public ServerTest {
 protected:
  bool AwaitHealth(const std::string& service, HealthCheckResponse::ServingStatus expected) {
    for (int i = 0; i < 200; ++i) {
      if (Health(service) == expected) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
    return false;
  }

  inference::RepositoryIndexResponse::ModelIndex IndexEntry() {
    grpc::ClientContext context;
    inference::RepositoryIndexResponse response;
    EXPECT_TRUE(stub_->RepositoryIndex(&context, {}, &response).ok());
    return response.models_size() == 1 ? response.models(0) : inference::RepositoryIndexResponse::ModelIndex();
  }
};

TEST_F(ServerDevicesTest, AModelWithoutDevicesIsNotReady) {
  device_ = std::make_shared<testing::FakeControl>();
  folder_.AddFile("m/config.pbtxt", "instance_group { host_policy: \"fpga\" }");
  ASSERT_TRUE(Start().ok());
  EXPECT_TRUE(ModelReady());
  EXPECT_EQ(IndexEntry().state(), "READY");
  device_->SetReady(false);
  EXPECT_FALSE(ModelReady());
  EXPECT_FALSE(Ready());
  EXPECT_EQ(IndexEntry().state(), "UNAVAILABLE");
  EXPECT_EQ(IndexEntry().reason(), "every device of its backends is out of service");
  EXPECT_TRUE(AwaitHealth("model:m", HealthCheckResponse::NOT_SERVING));
  EXPECT_TRUE(AwaitHealth("", HealthCheckResponse::NOT_SERVING));
  device_->SetReady(true);
  EXPECT_TRUE(ModelReady());
  EXPECT_TRUE(Ready());
  EXPECT_TRUE(AwaitHealth("model:m", HealthCheckResponse::SERVING));
  EXPECT_TRUE(AwaitHealth("", HealthCheckResponse::SERVING));
}

TEST_F(ServerDevicesTest, AModelWithAnotherBackendStaysReady) {
  device_ = std::make_shared<testing::FakeControl>();
  ASSERT_TRUE(Start().ok());
  device_->SetReady(false);
  EXPECT_TRUE(ModelReady());
  EXPECT_TRUE(Ready());
}

TEST_F(ServerDevicesTest, WithoutFallbackTheFirstBackendCounts) {
  device_ = std::make_shared<testing::FakeControl>();
  folder_.AddFile("m/config.pbtxt", "parameters { key: \"fallback\" value { string_value: \"false\" } }");
  ASSERT_TRUE(Start().ok());
  device_->SetReady(false);
  EXPECT_FALSE(ModelReady());
}

TEST_F(ServerTest, ManyConnectionsAreServed) {
  ASSERT_TRUE(Start().ok());
  constexpr int kThreads = 8, kConnections = 25, kCalls = 4;
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // else equal channels would share one connection
      for (int j = 0; j < kConnections; ++j) {
        const auto stub = inference::GRPCInferenceService::NewStub(
            grpc::CreateCustomChannel(server_->grpc_address(), grpc::InsecureChannelCredentials(), arguments));
        for (int k = 0; k < kCalls; ++k) {
          grpc::ClientContext context;
          inference::ModelInferResponse response;
          good += stub->ModelInfer(&context, Request(), &response).ok();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, kThreads * kConnections * kCalls);
}

TEST_F(ServerTest, MoreCallsAtATimeThanAreAskedForAhead) {
  options_.workers = 1;
  ASSERT_TRUE(Start().ok());
  control_->Hold();
  constexpr int kCalls = 500;
  grpc::CompletionQueue queue;
  std::deque<grpc::ClientContext> contexts(kCalls);
  std::deque<inference::ModelInferResponse> responses(kCalls);
  std::deque<grpc::Status> statuses(kCalls);
  for (int i = 0; i < kCalls; ++i) {
    stub_->AsyncModelInfer(&contexts[i], Request(), &queue)->Finish(&responses[i], &statuses[i], &statuses[i]);
  }
  control_->AwaitHeld(1);
  EXPECT_TRUE(Ready());  // others are served meanwhile
  control_->Release();
  void* tag;
  bool ok;
  for (int i = 0; i < kCalls; ++i) {
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_TRUE(static_cast<grpc::Status*>(tag)->ok()) << static_cast<grpc::Status*>(tag)->error_message();
  }
}

TEST_F(ServerTest, WatchTellsOfEveryChange) {
  ASSERT_TRUE(Start().ok());
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  grpc::health::v1::HealthCheckRequest request;
  HealthCheckResponse response;
  grpc::ClientContext context, unknown_context, gone_context;
  const auto watch = stub->Watch(&context, request);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  request.set_service("model:n");
  const auto unknown = stub->Watch(&unknown_context, request);
  ASSERT_TRUE(unknown->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  const auto gone = stub->Watch(&gone_context, request);
  ASSERT_TRUE(gone->Read(&response));
  gone_context.TryCancel();
  EXPECT_EQ(gone->Finish().error_code(), grpc::StatusCode::CANCELLED);
  server_->Shutdown(absl::ZeroDuration(), absl::Seconds(60));  // does not wait for those who watch
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  while (unknown->Read(&response)) EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(unknown->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTest, StrictReadinessCountsBrokenModels) {
  folder_.AddFile("broken/1/model.msq", "nonsense");
  ASSERT_TRUE(Start().ok());
  EXPECT_TRUE(Infer(Request()).ok());
  EXPECT_FALSE(Ready());
  EXPECT_EQ(Health(""), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Health("model:broken"), HealthCheckResponse::NOT_SERVING);
  server_.reset();
  options_.strict_readiness = false;
  ASSERT_TRUE(Start().ok());
  EXPECT_TRUE(Ready());
  EXPECT_EQ(Health(""), HealthCheckResponse::SERVING);
}

TEST_F(ServerTest, ReasonsTravelAsTrailingMetadata) {
  options_.workers = options_.queue_capacity = 1;
  ASSERT_TRUE(Start().ok());
  control_->Hold();
  auto first = std::async(std::launch::async, [this] { return Infer(Request()); });
  control_->AwaitHeld(1);
  auto second = std::async(std::launch::async, [this] {
    grpc::Status status = Infer(Request());
    // A request of AwaitRefusal's may have been in the queue, and this one was refused.
    for (int i = 0; i < 10000 && status.error_code() == grpc::StatusCode::UNAVAILABLE; ++i) status = Infer(Request());
    return status;
  });
  const auto [status, reason] = AwaitRefusal();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "Exceeds maximum queue size");
  EXPECT_EQ(reason, "queue_full");
  control_->Release();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
}

TEST_F(ServerTest, MessagesOverTheLimitAreRefused) {
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(Infer(Request(2 << 20)).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Infer(Request()).ok());
}

TEST_F(ServerTest, CancellationReachesAWaitingRequest) {
  options_.workers = 1;
  ASSERT_TRUE(Start().ok());
  control_->Hold();
  auto first = std::async(std::launch::async, [this] { return Infer(Request()); });
  control_->AwaitHeld(1);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(Infer(Request(), &context).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  control_->Release();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(Infer(Request()).ok());
  EXPECT_EQ(control_->runs(), 2);  // the expired one never ran
}

TEST_F(ServerTest, AClientThatGoesEndsItsWaitingRequest) {
  options_.workers = 1;
  ASSERT_TRUE(Start().ok());
  control_->Hold();
  auto first = std::async(std::launch::async, [this] { return Infer(Request()); });
  control_->AwaitHeld(1);
  grpc::ClientContext context;
  auto second = std::async(std::launch::async, [&] { return Infer(Request(), &context); });
  const auto failed = [this] {
    grpc::ClientContext ask;
    inference::ModelStatisticsResponse response;
    EXPECT_TRUE(stub_->ModelStatistics(&ask, {}, &response).ok());
    return response.model_stats(0).inference_stats().fail().count();
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // not before: a call that was not sent is not cancelled
  context.TryCancel();
  EXPECT_EQ(second.get().error_code(), grpc::StatusCode::CANCELLED);
  // The engine hears of it while the worker is still held.
  for (int i = 0; i < 1000 && failed() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(failed(), 1u);
  control_->Release();
  EXPECT_TRUE(first.get().ok());
  EXPECT_EQ(control_->runs(), 1);
}

TEST_F(ServerTest, ShutdownEndsStreamsAndAnswersThoseWhoWait) {
  options_.workers = 1;
  ASSERT_TRUE(Start().ok());
  control_->Hold();
  grpc::ClientContext idle_context, busy_context;
  const auto idle = stub_->ModelStreamInfer(&idle_context);
  const auto busy = stub_->ModelStreamInfer(&busy_context);
  ASSERT_TRUE(busy->Write(Request()));
  control_->AwaitHeld(1);
  auto waiting = std::async(std::launch::async, [this] { return Infer(Request()); });
  auto shutdown =
      std::async(std::launch::async, [this] { server_->Shutdown(absl::Milliseconds(100), absl::Seconds(60)); });
  EXPECT_EQ(shutdown.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  control_->Release();
  inference::ModelStreamInferResponse response;
  EXPECT_TRUE(busy->Read(&response));
  EXPECT_EQ(response.error_message(), "");
  EXPECT_FALSE(busy->Read(&response));
  EXPECT_EQ(busy->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(idle->Read(&response));
  EXPECT_EQ(idle->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(waiting.get().ok());
  shutdown.get();
}

TEST_F(ServerTest, ShutdownAnswersWhatWasAccepted) {
  options_.workers = 1;
  ASSERT_TRUE(Start().ok());
  control_->Hold();
  auto first = std::async(std::launch::async, [this] { return Infer(Request()); });
  control_->AwaitHeld(1);
  auto shutdown =
      std::async(std::launch::async, [this] { server_->Shutdown(absl::Milliseconds(200), absl::Seconds(20)); });
  while (Ready()) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the delay: serves on, says not ready
  EXPECT_EQ(Health(""), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(ModelReady());
  auto second = std::async(std::launch::async, [this] { return Infer(Request()); });
  EXPECT_EQ(shutdown.wait_for(std::chrono::milliseconds(400)), std::future_status::timeout);
  control_->Release();
  shutdown.get();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
  EXPECT_EQ(Infer(Request()).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTest, ShutdownRefusesNewInferencesWhileItDrains) {
  ASSERT_TRUE(Start().ok());
  control_->Hold();
  auto first = std::async(std::launch::async, [this] { return Infer(Request()); });
  control_->AwaitHeld(1);
  auto shutdown =
      std::async(std::launch::async, [this] { server_->Shutdown(absl::ZeroDuration(), absl::Seconds(20)); });
  const auto [status, reason] = AwaitRefusal();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_NE(status.error_message().find("has stopped accepting new requests"), std::string::npos);
  EXPECT_EQ(reason, "shutting_down");
  grpc::ClientContext live_context, ready_context;
  inference::ServerLiveResponse live;
  inference::ServerReadyResponse ready;
  EXPECT_EQ(stub_->ServerLive(&live_context, {}, &live).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(stub_->ServerReady(&ready_context, {}, &ready).error_code(), grpc::StatusCode::UNAVAILABLE);
  control_->Release();
  shutdown.get();
  EXPECT_TRUE(first.get().ok());
}

TEST_F(ServerTest, GraceBoundsTheShutdown) {
  options_.workers = 1;
  ASSERT_TRUE(Start().ok());
  control_->Hold();
  auto first = std::async(std::launch::async, [this] { return Infer(Request()); });
  control_->AwaitHeld(1);
  auto waiting = std::async(std::launch::async, [this] { return Infer(Request()); });
  auto shutdown =
      std::async(std::launch::async, [this] { server_->Shutdown(absl::ZeroDuration(), absl::Milliseconds(300)); });
  EXPECT_FALSE(first.get().ok());  // cut off, though its worker never came back
  EXPECT_FALSE(waiting.get().ok());
  control_->Release();
  shutdown.get();
}

TEST_F(ServerTest, BadOptionsAndTakenPortsAreErrors) {
  ASSERT_TRUE(Start().ok());
  const std::string taken = server_->grpc_address();
  const std::unique_ptr<Server> keep = std::move(server_);
  options_.grpc_address = taken;
  absl::Status status = Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(Message(status).find("cannot listen on grpc address " + taken), std::string_view::npos);
  for (const char* address : {"", "8001", "127.0.0.1:", ":8001", "127.0.0.1:x", "127.0.0.1:70000"}) {
    options_.grpc_address = address;
    EXPECT_EQ(Start().code(), absl::StatusCode::kInvalidArgument) << address;
  }
  options_.grpc_address = "127.0.0.1:0";
  options_.workers = 0;
  EXPECT_EQ(Start().code(), absl::StatusCode::kInvalidArgument);
  options_.workers = 1;
  options_.response_cache_bytes = -1;
  EXPECT_EQ(Message(Start()), "response cache bytes must not be negative");
  options_.response_cache_bytes = 0;
  options_.repository.startup_models = {"m"};
  EXPECT_NE(Message(Start()).find("load-model needs model-control-mode explicit"), std::string_view::npos);
}

}  // namespace
}  // namespace msq::server

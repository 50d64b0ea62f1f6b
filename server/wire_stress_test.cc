// Many clients of the whole server at once, over the wire: they infer, stream, cancel and run out of time over gRPC and
// HTTP while models are loaded, unloaded and looked at. Every call ends, with the right bits or with an error that the
// situation allows, and the server still shuts down in order.
//
// MSQ_STRESS_SECONDS sets how long (default: 2).
#include <atomic>
#include <cstdlib>
#include <functional>
#include <random>
#include <thread>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "model/testing/sample_model.h"
#include "proto/inference.grpc.pb.h"
#include "server/server.h"
#include "server/testing/fake_backend.h"
#include "server/testing/raw_http_client.h"
#include "server/testing/test_repository.h"

namespace msq::server {
namespace {

using inference::GRPCInferenceService;

const char* const kModels[] = {"alone", "batched", "ordered"};
constexpr int kGreys = 5;

inference::ModelInferRequest Request(const std::string& model, int grey) {
  inference::ModelInferRequest request;
  request.set_model_name(model);
  auto* input = request.add_inputs();
  input->set_name("pixels");
  input->set_datatype("UINT8");
  for (int64_t dimension : {1, 3, 8, 8}) input->add_shape(dimension);
  request.add_raw_input_contents(std::string(192, static_cast<char>(grey)));
  return request;
}

class WireStressTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : kModels) folder_.AddModel(name, 1, msq::testing::SampleModel());
    folder_.AddFile("alone/config.pbtxt", "max_batch_size: 4");
    folder_.AddFile("batched/config.pbtxt",
                    "max_batch_size: 8 dynamic_batching { preferred_batch_size: [4, 8] "
                    "max_queue_delay_microseconds: 500 default_queue_policy { max_queue_size: 16 } }");
    folder_.AddFile("ordered/config.pbtxt", "max_batch_size: 8 dynamic_batching { preserve_ordering: true }");
    ServerOptions options;
    options.repository.path = folder_.path();
    options.repository.mode = ModelRepository::Mode::kExplicit;
    options.repository.startup_models = {"*"};
    options.grpc_address = options.http_address = options.metrics_address = "127.0.0.1:0";
    BackendRegistry backends;
    ASSERT_TRUE(backends.Register(testing::CreateFakeBackend(control_)).ok());
    auto server = Server::Create(options, std::move(backends));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    const auto stub = NewStub();
    for (int grey = 0; grey < kGreys; ++grey) {
      grpc::ClientContext context;
      inference::ModelInferResponse response;
      ASSERT_TRUE(stub->ModelInfer(&context, Request("alone", grey), &response).ok());
      expected_.push_back(response.raw_output_contents(0));
    }
    int seconds = 2;
    if (const char* text = std::getenv("MSQ_STRESS_SECONDS")) {
      ASSERT_TRUE(absl::SimpleAtoi(text, &seconds));
    }
    end_ = absl::Now() + absl::Seconds(seconds);
  }

  // A connection of its own: equal arguments would share one.
  std::unique_ptr<GRPCInferenceService::Stub> NewStub() {
    grpc::ChannelArguments arguments;
    arguments.SetInt("msq.connection", ++connections_);
    return GRPCInferenceService::NewStub(
        grpc::CreateCustomChannel(server_->grpc_address(), grpc::InsecureChannelCredentials(), arguments));
  }

  void Repeat(const std::function<void()>& action) {
    while (absl::Now() < end_) action();
  }

  static bool Allowed(const grpc::Status& status) {
    switch (status.error_code()) {
      case grpc::StatusCode::CANCELLED:
      case grpc::StatusCode::DEADLINE_EXCEEDED:
      case grpc::StatusCode::NOT_FOUND:    // the model is away
      case grpc::StatusCode::UNAVAILABLE:  // it is being loaded, or its queue is full
        return true;
      default:
        return false;
    }
  }

  void Check(const grpc::Status& status, const inference::ModelInferResponse& response, int grey) {
    ++ended_;
    if (!status.ok()) {
      EXPECT_TRUE(Allowed(status)) << status.error_code() << ": " << status.error_message();
      return;
    }
    ++computed_;
    EXPECT_EQ(response.raw_output_contents(0), expected_[static_cast<size_t>(grey)]);
  }

  void InferUnary(uint32_t seed) {
    std::mt19937 random(seed);
    const auto stub = NewStub();
    Repeat([&] {
      const int grey = static_cast<int>(random() % kGreys);
      grpc::ClientContext context;
      if (random() % 6 == 0) {
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::microseconds(random() % 3000));
      }
      std::thread canceller;
      if (random() % 6 == 0) {
        canceller = std::thread([&context, delay = random() % 1000] {
          absl::SleepFor(absl::Microseconds(delay));
          context.TryCancel();
        });
      }
      inference::ModelInferResponse response;
      const auto status = stub->ModelInfer(&context, Request(kModels[random() % std::size(kModels)], grey), &response);
      Check(status, response, grey);
      if (canceller.joinable()) canceller.join();
    });
  }

  void InferOnStreams(uint32_t seed) {
    std::mt19937 random(seed);
    const auto stub = NewStub();
    Repeat([&] {
      grpc::ClientContext context;
      const auto stream = stub->ModelStreamInfer(&context);
      std::vector<int> greys;
      for (size_t i = 0, count = 1 + random() % 12; i < count; ++i) {
        greys.push_back(static_cast<int>(random() % kGreys));
        if (!stream->Write(Request(kModels[random() % std::size(kModels)], greys.back()))) break;
      }
      if (random() % 4 == 0) context.TryCancel();
      stream->WritesDone();
      inference::ModelStreamInferResponse response;
      size_t read = 0;
      while (stream->Read(&response)) {
        ASSERT_LT(read, greys.size());
        const int grey = greys[read++];
        if (response.error_message().empty()) Check(grpc::Status::OK, response.infer_response(), grey);
      }
      const grpc::Status status = stream->Finish();
      EXPECT_TRUE(status.ok() ? read == greys.size() : Allowed(status))
          << read << " of " << greys.size() << " answers, " << status.error_message();
    });
  }

  void InferOverHttp() {
    const std::string address = server_->http_address();
    int port = 0;
    ASSERT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
    const std::string request =
        "POST /v2/models/alone/infer HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 192\r\n"
        "Inference-Header-Content-Length: 0\r\n\r\n" +
        std::string(192, '\1');
    for (int i = 0; absl::Now() < end_; ++i) {
      if (i % 5 == 0) {
        testing::RawHttpClient leaving(port);  // before its answer
        leaving.Send(request);
        continue;
      }
      const std::string status = testing::Exchange(port, request).substr(0, 12);
      EXPECT_TRUE(status == "HTTP/1.1 200" || status == "HTTP/1.1 404" || status == "HTTP/1.1 503") << status;
      ++ended_;
    }
  }

  void LoadAndUnload() {
    std::mt19937 random(99);
    const auto stub = NewStub();
    Repeat([&] {
      grpc::ClientContext context;
      const std::string model = kModels[random() % std::size(kModels)];
      grpc::Status status;
      if (random() % 3 == 0) {
        inference::RepositoryModelUnloadRequest request;
        inference::RepositoryModelUnloadResponse response;
        request.set_model_name(model);
        status = stub->RepositoryModelUnload(&context, request, &response);
      } else {
        inference::RepositoryModelLoadRequest request;
        inference::RepositoryModelLoadResponse response;
        request.set_model_name(model);
        status = stub->RepositoryModelLoad(&context, request, &response);
      }
      EXPECT_TRUE(status.ok()) << status.error_message();
      absl::SleepFor(absl::Milliseconds(random() % 10));
    });
  }

  void LookOn() {
    const auto stub = NewStub();
    Repeat([&] {
      grpc::ClientContext context, other;
      inference::RepositoryIndexResponse index;
      EXPECT_TRUE(stub->RepositoryIndex(&context, {}, &index).ok());
      inference::ModelStatisticsResponse statistics;
      EXPECT_TRUE(stub->ModelStatistics(&other, {}, &statistics).ok());
      absl::SleepFor(absl::Milliseconds(2));
    });
  }

  testing::TestRepository folder_;
  std::shared_ptr<testing::FakeControl> control_ = std::make_shared<testing::FakeControl>();
  std::unique_ptr<Server> server_;
  std::vector<std::string> expected_;
  absl::Time end_;
  std::atomic<int> connections_{0}, ended_{0}, computed_{0};
};

TEST_F(WireStressTest, EveryCallEnds) {
  std::vector<std::thread> threads;
  for (uint32_t seed = 1; seed <= 4; ++seed) threads.emplace_back([this, seed] { InferUnary(seed); });
  for (uint32_t seed = 5; seed <= 6; ++seed) threads.emplace_back([this, seed] { InferOnStreams(seed); });
  threads.emplace_back([this] { InferOverHttp(); });
  threads.emplace_back([this] { LoadAndUnload(); });
  threads.emplace_back([this] { LookOn(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(computed_, 0);
  RecordProperty("ended", ended_);
  RecordProperty("computed", computed_);
  server_->Shutdown(absl::ZeroDuration(), absl::Seconds(10));
}

}  // namespace
}  // namespace msq::server

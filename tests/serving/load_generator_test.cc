// What the figures of the serving benchmark rest on: that every answer is counted once and as what it is.
#include "tests/serving/load_generator.h"

#include <atomic>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "proto/inference.grpc.pb.h"

namespace msq::testing {
namespace {

using ::testing::Each;
using ::testing::Gt;

// Every third call is refused.
class FickleService final : public inference::GRPCInferenceService::CallbackService {
 public:
  grpc::ServerUnaryReactor* ServerLive(grpc::CallbackServerContext* context, const inference::ServerLiveRequest*,
                                       inference::ServerLiveResponse* response) override {
    response->set_live(true);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const bool refuse = calls++ % 3 == 2;
    reactor->Finish(refuse ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "busy") : grpc::Status::OK);
    return reactor;
  }
  std::atomic<int> calls{0};
};

class LoadGeneratorTest : public ::testing::Test {
 protected:
  LoadGeneratorTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    options_.target = "127.0.0.1:" + std::to_string(port);
    options_.method = "/inference.GRPCInferenceService/ServerLive";
    inference::ServerLiveResponse live;
    live.set_live(true);
    options_.expected = live.SerializeAsString();
    options_.warmup_s = 0;
    options_.duration_s = 0.1;
  }
  ~LoadGeneratorTest() override { server_->Shutdown(); }

  FickleService service_;
  std::unique_ptr<grpc::Server> server_;
  LoadOptions options_;
};

TEST_F(LoadGeneratorTest, ClosedLoopCountsAnswersByCode) {
  options_.concurrency = 3;
  options_.channels = 2;
  options_.server_pid = getpid();
  const auto report = GenerateLoad(options_);
  ASSERT_TRUE(report.ok()) << report.status();
  const int64_t ok = report->answers.at("OK"), refused = report->answers.at("UNAVAILABLE");
  EXPECT_EQ(report->answers.size(), 2u);
  EXPECT_EQ(report->ok_latencies_us.size(), static_cast<size_t>(ok));
  EXPECT_EQ(report->refused_latencies_us.size(), static_cast<size_t>(refused));
  EXPECT_THAT(report->ok_latencies_us, Each(Gt(0)));
  EXPECT_NEAR(static_cast<double>(ok), 2.0 * static_cast<double>(refused), 10);
  EXPECT_LE(ok + refused, service_.calls);
  EXPECT_GE(ok + refused, service_.calls - 3);  // under way at the end
  EXPECT_EQ(report->wrong, 0);
  EXPECT_EQ(report->first_error, "busy");
  EXPECT_EQ(report->first_answer, options_.expected);
  EXPECT_GT(report->seconds, 0);
  EXPECT_GT(report->server_cpu_s, 0);
}

TEST_F(LoadGeneratorTest, SeesWrongAnswers) {
  options_.expected = "another";
  const auto report = GenerateLoad(options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->wrong, report->answers.at("OK"));
}

TEST_F(LoadGeneratorTest, OpenLoopSendsWhatIsDueAndNoMoreThanMayBeUnderWay) {
  options_.rate_per_s = 1000;
  options_.duration_s = 0.3;
  const auto calm = GenerateLoad(options_);
  ASSERT_TRUE(calm.ok()) << calm.status();
  EXPECT_GT(calm->answers.at("OK"), 0);
  EXPECT_EQ(calm->not_sent, 0);
  EXPECT_LT(service_.calls, 500);  // 300 on average

  options_.rate_per_s = 1e6;
  options_.max_in_flight = 1;
  const auto flood = GenerateLoad(options_);
  ASSERT_TRUE(flood.ok()) << flood.status();
  EXPECT_GT(flood->not_sent, 0);
}

TEST_F(LoadGeneratorTest, SaysWhyItCannotRun) {
  options_.server_pid = 1 << 22;  // beyond the largest that Linux gives
  EXPECT_TRUE(absl::IsNotFound(GenerateLoad(options_).status()));
}

}  // namespace
}  // namespace msq::testing

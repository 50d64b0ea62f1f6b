#include "server/observe/metrics.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "base/status.h"
#include "server/observe/metrics_endpoint.h"
#include "server/protocol/reason.h"

namespace msq::server {
namespace {

std::string Text(const Metrics& metrics) {
  return prometheus::TextSerializer().Serialize(metrics.registry()->Collect());
}

TEST(MetricsTest, FailureReasons) {
  EXPECT_EQ(FailureReasonOf(InvalidArgument("")), FailureReason::kBadRequest);
  EXPECT_EQ(FailureReasonOf(NotFound("")), FailureReason::kBadRequest);
  EXPECT_EQ(FailureReasonOf(WithReason(Unavailable(""), kQueueFull)), FailureReason::kQueueFull);
  EXPECT_EQ(FailureReasonOf(Unavailable("")), FailureReason::kBackend);
  EXPECT_EQ(FailureReasonOf(absl::DeadlineExceededError("")), FailureReason::kDeadline);
  EXPECT_EQ(FailureReasonOf(absl::CancelledError("")), FailureReason::kCancelled);
  EXPECT_EQ(FailureReasonOf(DataLoss("")), FailureReason::kBackend);
}

TEST(MetricsTest, CountsPerModelVersionAndBackend) {
  Metrics metrics;
  ModelMetrics one = metrics.ForModel("m", "1", "cpu"), two = metrics.ForModel("m", "2", "cpu");
  one.CountAnswer(absl::OkStatus());
  one.CountAnswer(InvalidArgument("no"));
  one.CountImages(5);
  one.Observe(Phase::kCompute, absl::Microseconds(300));
  two.CountAnswer(absl::OkStatus());
  metrics.CountUnresolved();
  const std::string text = Text(metrics);
  const std::string labels = "{backend=\"cpu\",model=\"m\",";
  EXPECT_NE(text.find("msq_requests_total" + labels + "version=\"1\"} 2\n"), text.npos);
  EXPECT_NE(text.find("msq_requests_total" + labels + "version=\"2\"} 1\n"), text.npos);
  EXPECT_NE(text.find("msq_request_failures_total" + labels + "reason=\"bad_request\",version=\"1\"} 1\n"), text.npos);
  EXPECT_NE(text.find("msq_images_total" + labels + "version=\"1\"} 5\n"), text.npos);
  const std::string bucket = "msq_request_duration_seconds_bucket" + labels + "phase=\"compute\",version=\"1\",le=";
  EXPECT_NE(text.find(bucket + "\"0.00025\"} 0\n"), text.npos);
  EXPECT_NE(text.find(bucket + "\"0.0005\"} 1\n"), text.npos);
  EXPECT_NE(text.find("msq_unresolved_requests_total 1\n"), text.npos);
}

TEST(MetricsEndpointTest, PicksAFreePortAndRefusesATakenOne) {
  Metrics metrics;
  const auto first = MetricsEndpoint::Start("localhost:0", metrics);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_GT((*first)->port(), 0);
  const std::string taken = "127.0.0.1:" + std::to_string((*first)->port());
  const auto second = MetricsEndpoint::Start(taken, metrics);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(Message(second.status()).find(taken), std::string_view::npos);
}

}  // namespace
}  // namespace msq::server

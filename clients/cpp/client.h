// C++ client of any Open Inference Protocol v2 server: one channel, blocking and asynchronous calls, errors as
// absl::Status.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/inference.pb.h"

namespace msq::client {

// Thread-safe. Every error says which server it came from.
class Client {
 public:
  // Waits until `url` (HOST:PORT) accepts connections, at most `connect_timeout`; UNAVAILABLE when it does not.
  // Every later call ends after `call_timeout`.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const std::string& url,
                                                         absl::Duration connect_timeout = absl::Seconds(5),
                                                         absl::Duration call_timeout = absl::Seconds(60));
  // Waits for asynchronous calls, and until their `done` are destroyed.
  ~Client();

  absl::StatusOr<bool> ServerLive();
  absl::StatusOr<bool> ServerReady();
  absl::StatusOr<bool> ModelReady(const std::string& model, const std::string& version = "");
  absl::StatusOr<inference::ServerMetadataResponse> ServerMetadata();
  absl::StatusOr<inference::ModelMetadataResponse> ModelMetadata(const std::string& model,
                                                                 const std::string& version = "");
  absl::StatusOr<inference::ModelConfig> ModelConfig(const std::string& model, const std::string& version = "");
  absl::StatusOr<inference::ModelStatisticsResponse> ModelStatistics(const std::string& model,
                                                                     const std::string& version = "");
  absl::StatusOr<inference::RepositoryIndexResponse> RepositoryIndex();

  absl::StatusOr<inference::ModelInferResponse> Infer(const inference::ModelInferRequest& request);
  // Calls `done` once, on another thread.
  void InferAsync(inference::ModelInferRequest request,
                  std::function<void(absl::StatusOr<inference::ModelInferResponse>)> done);

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace msq::client

// What a benchmark asks of a model, and what the answers have to be: those of the first backend, without load.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/bench/load.h"
#include "clients/cpp/client.h"

namespace msq::bench {

// Thread-safe once CompareAlone() is done. Outlives the requests under way.
class Questions {
 public:
  // Random pixels or values, the same at each call. INVALID_ARGUMENT when the model takes no such batch.
  static absl::StatusOr<std::unique_ptr<Questions>> Create(client::Client* client, const std::string& model,
                                                           int64_t batch);

  size_t count() const { return requests_.size(); }

  // Asks each question once. The first backend's answers are what all others are compared with from then on. How many
  // differ; an error when one is not answered.
  absl::StatusOr<int64_t> CompareAlone(const std::string& backend);
  // Asks one backend under load.
  Ask AskOf(const std::string& backend);

  // The backend whose answers others are compared with has been asked.
  bool has_answers() const { return !expected_.empty(); }

  // Where the first wrong answer differed; empty when all were right.
  std::string FirstDifference() const;

 private:
  explicit Questions(client::Client* client) : client_(*client) {}
  inference::ModelInferRequest RequestFor(size_t input, const std::string& backend) const;
  bool IsRight(size_t input, const std::string& backend, const inference::ModelInferResponse& response);

  client::Client& client_;
  std::vector<inference::ModelInferRequest> requests_;
  std::vector<std::vector<std::string>> expected_;  // by question and output
  mutable std::mutex mutex_;
  std::string first_difference_;
};

}  // namespace msq::bench

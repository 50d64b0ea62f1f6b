// The demo model behind a running msqd: cells in, guesses out.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/cpp/client.h"
#include "demo/reading.h"
#include "demo/render.h"
#include "proto/inference.pb.h"

namespace msq::demo {

// One thread at a time. Errors are the server's, or FAILED_PRECONDITION when the model is not one that reads cells.
class Reader {
 public:
  // Asks the server for the model's input and output and checks them.
  static absl::StatusOr<Reader> Connect(const std::string& url, const std::string& model);

  // One request for the whole batch; one guess a cell, in order. Computed by `backend`; empty: the server chooses.
  absl::StatusOr<std::vector<Guess>> Read(std::span<const Cell> cells, const std::string& backend = "");
  // The same, but the answer's bytes as they came.
  absl::StatusOr<std::string> Scores(std::span<const Cell> cells, const std::string& backend);

 private:
  Reader(std::unique_ptr<client::Client> client, inference::ModelInferRequest request);

  std::unique_ptr<client::Client> client_;
  inference::ModelInferRequest request_;  // lacks the batch size and the cells
};

}  // namespace msq::demo

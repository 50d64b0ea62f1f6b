// The demo model behind a running msqd: cells in, guesses out.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "demo/reading.h"
#include "demo/render.h"

namespace msq::demo {

// One thread at a time. Errors are the server's, or FAILED_PRECONDITION when the model is not one that reads cells.
class Reader {
 public:
  // Asks the server for the model's input and output and checks them.
  static absl::StatusOr<std::unique_ptr<Reader>> Connect(const std::string& url, const std::string& model);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // One request for the whole batch; one guess a cell, in order.
  absl::StatusOr<std::vector<Guess>> Read(std::span<const Cell> cells);

 private:
  class Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace msq::demo

// How to feed one served model: files and pictures to request tensors, classification answers to classes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/cpp/client.h"
#include "media/image.h"

namespace msq::client {

// One sample in the model's wire layout.
struct Sample {
  std::string name;  // file, or file[i] inside an array
  std::string datatype;
  std::string bytes;
};

struct Class {
  double score = 0;
  int64_t index = 0;
  std::string label;  // empty when the model has no labels
};

// Immutable, so thread-safe.
class ModelFeed {
 public:
  // Asks the server what the model takes. UNIMPLEMENTED for a model with several inputs.
  static absl::StatusOr<ModelFeed> Create(Client* client, const std::string& model);

  const std::string& model() const { return config_.name(); }
  // Samples that one request may hold.
  int64_t max_batch() const { return config_.max_batch_size() > 0 ? config_.max_batch_size() : 1; }
  int64_t class_count() const;
  // Channels of a picture that the model takes, or INVALID_ARGUMENT when it takes none.
  absl::StatusOr<int> PictureChannels() const;

  // A picture cut to the model's input. Precondition: it has PictureChannels() channels.
  Sample FromPicture(const std::string& name, const media::Image& picture) const;
  // PNG or JPEG: one sample; .npy: one, or as many as its first dimension says. The message names the file.
  absl::StatusOr<std::vector<Sample>> FromFile(const std::string& path) const;

  // A request for the `top_k` classes of the first output. Precondition: samples of one datatype, at most max_batch().
  inference::ModelInferRequest MakeRequest(std::span<const Sample> samples, int64_t top_k,
                                           const std::string& backend) const;
  // The classes of each of `batch` samples, best first. DATA_LOSS when the answer is not what was asked for.
  static absl::StatusOr<std::vector<std::vector<Class>>> ParseClasses(const inference::ModelInferResponse& response,
                                                                      size_t batch);

 private:
  const inference::ModelInput& input() const { return config_.input(0); }
  absl::StatusOr<std::vector<Sample>> FromArray(const std::string& path) const;

  inference::ModelConfig config_;
};

}  // namespace msq::client

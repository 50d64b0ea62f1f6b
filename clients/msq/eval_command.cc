// msq eval: a labelled data set through the server; top-1 and top-5.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "base/status.h"
#include "clients/msq/command.h"
#include "clients/msq/model_feed.h"
#include "clients/msq/progress.h"
#include "media/dataset.h"

namespace msq::client {
namespace {

struct EvalOptions {
  CommonOptions common;
  std::string model;
  std::string dataset;
  std::string backend;
  int64_t limit = 0;
  int64_t batch = 32;
};

// Counts the answers of requests under way, of which there are at most kInFlight. Thread-safe.
class Score {
 public:
  static constexpr int kInFlight = 4;  // enough to keep the server busy while the next pictures are decoded

  // Waits for a free place; the first error so far, if any.
  absl::Status Begin() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return under_way_ < kInFlight; });
    ++under_way_;
    return error_;
  }

  void End(const absl::StatusOr<inference::ModelInferResponse>& response, const std::vector<int64_t>& labels) {
    const absl::Status status = Count(response, labels);
    std::lock_guard lock(mutex_);
    if (error_.ok()) error_ = status;
    --under_way_;
    changed_.notify_all();
  }

  absl::Status AwaitAll() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return under_way_ == 0; });
    return error_;
  }

  int64_t images() const {
    std::lock_guard lock(mutex_);
    return images_;
  }
  double Top1() const { return static_cast<double>(top1_) / static_cast<double>(images_); }
  double Top5() const { return static_cast<double>(top5_) / static_cast<double>(images_); }

 private:
  absl::Status Count(const absl::StatusOr<inference::ModelInferResponse>& response,
                     const std::vector<int64_t>& labels) {
    if (!response.ok()) return response.status();
    MSQ_ASSIGN_OR_RETURN(const auto answers, ModelFeed::ParseClasses(*response, labels.size()));
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < labels.size(); ++i) {
      const auto right = [&](const Class& one) { return one.index == labels[i]; };
      top1_ += right(answers[i][0]);
      top5_ += std::any_of(answers[i].begin(), answers[i].end(), right);
    }
    images_ += static_cast<int64_t>(labels.size());
    return absl::OkStatus();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int under_way_ = 0;
  int64_t images_ = 0, top1_ = 0, top5_ = 0;
  absl::Status error_;
};

// The model's class names in index order, or none: the labels of an answer that holds every class.
absl::StatusOr<std::vector<std::string>> ClassNames(Client* client, const ModelFeed& feed, const Sample& sample) {
  MSQ_ASSIGN_OR_RETURN(const auto response, client->Infer(feed.MakeRequest({&sample, 1}, feed.class_count(), "")));
  MSQ_ASSIGN_OR_RETURN(auto answers, ModelFeed::ParseClasses(response, 1));
  std::sort(answers[0].begin(), answers[0].end(), [](const Class& a, const Class& b) { return a.index < b.index; });
  std::vector<std::string> names;
  for (const Class& one : answers[0]) {
    if (one.label.empty()) return std::vector<std::string>();
    names.push_back(one.label);
  }
  return names;
}

absl::Status SendAll(Client* client, const ModelFeed& feed, const media::Dataset& dataset, const EvalOptions& options,
                     int64_t count, Score* score) {
  MSQ_ASSIGN_OR_RETURN(const int channels, feed.PictureChannels());
  const int64_t batch_size = std::min(options.batch, feed.max_batch());
  std::vector<std::string> names;
  Progress progress;
  for (int64_t first = 0; first < count; first += batch_size) {
    std::vector<Sample> samples;
    std::vector<int64_t> labels;
    for (int64_t i = first; i < std::min(count, first + batch_size); ++i) {
      MSQ_ASSIGN_OR_RETURN(const media::Image picture, dataset.ReadImage(i, channels));
      samples.push_back(feed.FromPicture("", picture));
      if (i == 0) {
        MSQ_ASSIGN_OR_RETURN(names, ClassNames(client, feed, samples[0]));
      }
      MSQ_ASSIGN_OR_RETURN(const int64_t label, dataset.Label(i, names));
      if (label < 0 || label >= feed.class_count()) {
        return InvalidArgument(options.dataset, ": picture ", i, " has label ", label, ", the model has ",
                               feed.class_count(), " classes");
      }
      labels.push_back(label);
    }
    MSQ_RETURN_IF_ERROR(score->Begin());
    client->InferAsync(feed.MakeRequest(samples, 5, options.backend),
                       [score, labels = std::move(labels)](const auto& response) { score->End(response, labels); });
    const int64_t done = score->images();
    progress.Show(static_cast<double>(done) / static_cast<double>(count),
                  absl::StrCat(done, " of ", count, " pictures"));
  }
  return score->AwaitAll();
}

absl::Status Eval(const EvalOptions& options) {
  MSQ_ASSIGN_OR_RETURN(const media::Dataset dataset, media::Dataset::Open(options.dataset));
  const int64_t count = options.limit > 0 ? std::min(options.limit, dataset.size()) : dataset.size();
  if (count == 0) return InvalidArgument(options.dataset, ": holds no picture");
  Score score;  // outlives the client, whose destructor waits for the answers
  MSQ_ASSIGN_OR_RETURN(const auto client, Connect(options.common));
  MSQ_ASSIGN_OR_RETURN(const ModelFeed feed, ModelFeed::Create(client.get(), options.model));
  const auto start = std::chrono::steady_clock::now();
  MSQ_RETURN_IF_ERROR(SendAll(client.get(), feed, dataset, options, count, &score));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double rate = static_cast<double>(count) / seconds;
  if (options.common.json) {
    const nlohmann::json document = {{"model", options.model},   {"dataset", options.dataset}, {"images", count},
                                     {"top1", score.Top1()},     {"top5", score.Top5()},       {"seconds", seconds},
                                     {"images_per_second", rate}};
    PrintJson(document);
  } else {
    std::printf("%s: %lld images, top-1 %.2f %%, top-5 %.2f %%, %.1f s, %.0f images/s\n", options.model.c_str(),
                static_cast<long long>(count), 100 * score.Top1(), 100 * score.Top5(), seconds, rate);
  }
  return absl::OkStatus();
}

}  // namespace

void AddEvalCommand(CLI::App* app, Run* run) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command = app->add_subcommand("eval", "Measure top-1 and top-5 on a labelled data set");
  command->add_option("model", options->model, "model to ask")->required();
  command->add_option("--dataset", options->dataset, "folder with labels.csv (file,class), or .npz with images, labels")
      ->required();
  command->add_option("--backend", options->backend, "pin the requests to a backend (cpu, fpga)");
  command->add_option("--limit", options->limit, "use the first N pictures only")->check(CLI::PositiveNumber);
  command->add_option("--batch", options->batch, "pictures per request")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  AddCommonOptions(command, &options->common);
  command->callback([options, run] { *run = [options] { return Eval(*options); }; });
}

}  // namespace msq::client

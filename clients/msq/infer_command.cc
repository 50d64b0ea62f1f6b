// msq infer: pictures or arrays in, the best classes out.
#include <chrono>
#include <cstdio>

#include "base/status.h"
#include "clients/msq/command.h"
#include "clients/msq/model_feed.h"

namespace msq::client {
namespace {

struct InferOptions {
  CommonOptions common;
  std::string model;
  std::vector<std::string> files;
  std::string backend;
  int64_t top_k = 1;
};

struct Answer {
  std::string name;
  double latency_ms = 0;  // of the request that held the sample
  int64_t batch = 0;
  std::vector<Class> classes;
};

// Samples from `first` that go into one request.
std::span<const Sample> NextBatch(const std::vector<Sample>& samples, size_t first, int64_t max_batch) {
  size_t end = first + 1;
  while (end < samples.size() && end - first < static_cast<size_t>(max_batch) &&
         samples[end].datatype == samples[first].datatype) {
    ++end;
  }
  return std::span(samples).subspan(first, end - first);
}

absl::StatusOr<std::vector<Answer>> InferAll(Client* client, const ModelFeed& feed, const InferOptions& options,
                                             const std::vector<Sample>& samples) {
  std::vector<Answer> answers;
  while (answers.size() < samples.size()) {
    const std::span<const Sample> batch = NextBatch(samples, answers.size(), feed.max_batch());
    const auto request = feed.MakeRequest(batch, options.top_k, options.backend);
    const auto start = std::chrono::steady_clock::now();
    MSQ_ASSIGN_OR_RETURN(const auto response, client->Infer(request));
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    MSQ_ASSIGN_OR_RETURN(auto classes, ModelFeed::ParseClasses(response, batch.size()));
    for (size_t i = 0; i < batch.size(); ++i) {
      answers.push_back({batch[i].name, ms, static_cast<int64_t>(batch.size()), std::move(classes[i])});
    }
  }
  return answers;
}

void PrintText(const std::vector<Answer>& answers) {
  size_t width = 4;
  for (const Answer& answer : answers) width = std::max(width, answer.name.size());
  const int columns = static_cast<int>(width);
  std::printf("%-*s  %9s  %9s  %s\n", columns, "FILE", "SCORE", "MS", "LABEL");
  for (const Answer& answer : answers) {
    for (size_t i = 0; i < answer.classes.size(); ++i) {
      const Class& one = answer.classes[i];
      const std::string label = one.label.empty() ? std::to_string(one.index) : one.label;
      const std::string ms = i == 0 ? std::to_string(answer.latency_ms) : "";
      std::printf("%-*s  %9.4f  %9.9s  %s\n", columns, i == 0 ? answer.name.c_str() : "", one.score, ms.c_str(),
                  label.c_str());
    }
  }
}

nlohmann::json AnswersJson(const InferOptions& options, const std::vector<Answer>& answers) {
  nlohmann::json results = nlohmann::json::array();
  for (const Answer& answer : answers) {
    nlohmann::json classes = nlohmann::json::array();
    for (const Class& one : answer.classes) {
      classes.push_back({{"index", one.index}, {"label", one.label}, {"score", one.score}});
    }
    results.push_back(
        {{"file", answer.name}, {"latency_ms", answer.latency_ms}, {"batch", answer.batch}, {"classes", classes}});
  }
  return {{"model", options.model}, {"results", results}};
}

absl::Status Infer(const InferOptions& options) {
  MSQ_ASSIGN_OR_RETURN(const auto client, Connect(options.common));
  MSQ_ASSIGN_OR_RETURN(const ModelFeed feed, ModelFeed::Create(client.get(), options.model));
  std::vector<Sample> samples;
  for (const std::string& file : options.files) {
    MSQ_ASSIGN_OR_RETURN(auto more, feed.FromFile(file));
    for (Sample& sample : more) samples.push_back(std::move(sample));
  }
  MSQ_ASSIGN_OR_RETURN(const auto answers, InferAll(client.get(), feed, options, samples));
  options.common.json ? PrintJson(AnswersJson(options, answers)) : PrintText(answers);
  return absl::OkStatus();
}

}  // namespace

void AddInferCommand(CLI::App* app, Run* run) {
  auto options = std::make_shared<InferOptions>();
  CLI::App* command = app->add_subcommand("infer", "Classify pictures (PNG, JPEG) or arrays (.npy)");
  command->add_option("model", options->model, "model to ask")->required();
  command->add_option("files", options->files, "files; they travel as one batch")->required();
  command->add_option("--backend", options->backend, "pin the request to a backend (cpu, fpga)");
  command->add_option("--top-k", options->top_k, "classes per file")->capture_default_str()->check(CLI::PositiveNumber);
  AddCommonOptions(command, &options->common);
  command->callback([options, run] { *run = [options] { return Infer(*options); }; });
}

}  // namespace msq::client

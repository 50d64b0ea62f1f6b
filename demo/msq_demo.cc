// msq-demo: renders a text, sends its characters to a running msqd as one batch and prints what the network read.
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "demo/picture.h"
#include "demo/reader.h"
#include "demo/reading.h"
#include "demo/render.h"

namespace msq::demo {
namespace {

constexpr int kPictureColumns = 80;
constexpr int kTimedRequests = 20;
constexpr char kCpu[] = "cpu";

struct Options {
  std::string text = "Mix & Match 4-bit";
  std::string url = "127.0.0.1:8001";
  std::string model = "characters";
  std::string font = "/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf";
  std::string backend;
  double min_right_percent = 0;
};

// The same batch again and again: the median round trip.
absl::StatusOr<absl::Duration> MedianLatency(Reader& reader, const std::vector<Cell>& cells,
                                             const std::string& backend) {
  std::vector<absl::Duration> latencies;
  for (int i = 0; i < kTimedRequests; ++i) {
    const absl::Time start = Clock::Real().Now();
    MSQ_RETURN_IF_ERROR(reader.Read(cells, backend).status());
    latencies.push_back(Clock::Real().Now() - start);
  }
  std::nth_element(latencies.begin(), latencies.begin() + kTimedRequests / 2, latencies.end());
  return latencies[kTimedRequests / 2];
}

absl::Status Run(const Options& options) {
  MSQ_ASSIGN_OR_RETURN(const auto font, Font::Open(options.font));
  MSQ_ASSIGN_OR_RETURN(const auto line, RenderLine(*font, options.text));
  std::vector<Cell> cells;
  for (const std::optional<Cell>& cell : line) {
    if (cell.has_value()) cells.push_back(*cell);
  }
  std::cout << HalfBlockPicture(line, kPictureColumns) << "\n" << std::flush;

  MSQ_ASSIGN_OR_RETURN(Reader reader, Reader::Connect(options.url, options.model));
  MSQ_ASSIGN_OR_RETURN(const std::vector<Guess> guesses, reader.Read(cells, options.backend));
  MSQ_ASSIGN_OR_RETURN(const absl::Duration latency, MedianLatency(reader, cells, options.backend));

  const Reading reading = Compare(options.text, guesses);
  std::cout << reading.report
            << absl::StrFormat("right     %d of %d\nlatency   %.2f ms for the batch of %d, %.0f us a character\n",
                               reading.right, reading.total, absl::ToDoubleMilliseconds(latency), reading.total,
                               absl::ToDoubleMicroseconds(latency) / reading.total);
  if (!options.backend.empty() && options.backend != kCpu) {
    MSQ_ASSIGN_OR_RETURN(const std::string here, reader.Scores(cells, options.backend));
    MSQ_ASSIGN_OR_RETURN(const std::string there, reader.Scores(cells, kCpu));
    if (here != there) return absl::DataLossError("backend '" + options.backend + "' has other bits than the CPU");
    std::cout << "backend   " << options.backend << ", " << here.size() << " bytes of scores, the same as the CPU's\n";
  }
  const double percent = 100.0 * reading.right / reading.total;
  if (percent < options.min_right_percent) {
    return FailedPrecondition(percent, " % of the characters are right, asked for ", options.min_right_percent, " %");
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace msq::demo

int main(int argc, char** argv) {
  msq::demo::Options options;
  CLI::App app("Renders a text and lets the demo model read it, one batch for the whole line.");
  app.add_option("text", options.text, "Up to 64 printable ASCII characters")->capture_default_str();
  app.add_option("--url", options.url, "HOST:PORT of msqd's gRPC endpoint")->capture_default_str();
  app.add_option("--model", options.model, "Name of the model")->capture_default_str();
  app.add_option("--font", options.font, "Font file to render with")->capture_default_str();
  app.add_option("--backend", options.backend,
                 "That computes: cpu, or fpga, whose bits are then compared with the CPU's");
  app.add_option("--min-right", options.min_right_percent, "Fail when less than this percentage is read right");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (const absl::Status status = msq::demo::Run(options); !status.ok()) {
    std::cerr << "msq-demo: " << msq::Message(status) << "\n";
    return 1;
  }
  return 0;
}

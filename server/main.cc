// msqd: serves the MSQ networks of a model repository over gRPC until SIGTERM or SIGINT.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

#include "backends/cpu/cpu_backend.h"
#include "base/log.h"
#include "base/status.h"
#include "server/server.h"
#include "server/signals.h"

namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "msqd: %s\n", std::string(msq::Message(status)).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  msq::server::ServerOptions options;
  int drain_grace_seconds = 30, drain_delay_seconds = 0;
  CLI::App app("Serves 4-bit MSQ networks over the Open Inference Protocol v2");
  app.set_version_flag("--version", MSQ_VERSION);
  app.option_defaults()->always_capture_default();
  app.add_option("--model-repository", options.model_repository, "folder of <model>/<version>/model.msq")->required();
  app.add_option("--grpc-address", options.grpc_address, "HOST:PORT; port 0 picks a free one");
  app.add_option("--metrics-address", options.metrics_address, "HOST:PORT of /metrics");
  app.add_option("--server-name", options.server_name, "name in ServerMetadata");
  app.add_option("--threads", options.threads, "threads that one inference may use; 0: the machine's");
  app.add_option("--workers", options.workers, "inferences at a time");
  app.add_option("--queue-capacity", options.queue_capacity, "requests that may wait");
  app.add_option("--max-queued-bytes", options.max_queued_bytes, "input codes of the requests that wait");
  app.add_option("--max-message-bytes", options.max_message_bytes, "largest request and answer");
  app.add_option("--drain-grace-seconds", drain_grace_seconds, "at shutdown, time for requests under way")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--drain-delay-seconds", drain_delay_seconds, "at shutdown, time to serve on while not ready")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--strict-readiness", options.strict_readiness, "ready only when every model is");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  // gRPC's own log lines would stand beside ours when a port is in use; GRPC_VERBOSITY brings them back.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  signal(SIGPIPE, SIG_IGN);
  msq::server::StopSignals signals;

  msq::BackendRegistry backends;
  auto cpu = msq::cpu::CreateCpuBackend();
  if (!cpu.ok()) return Fail(cpu.status());
  if (absl::Status status = backends.Register(*std::move(cpu)); !status.ok()) return Fail(status);
  auto server = msq::server::Server::Create(options, std::move(backends));
  if (!server.ok()) return Fail(server.status());
  signals.StartServing();
  std::printf("ready grpc=%s metrics=%s\n", (*server)->grpc_address().c_str(), (*server)->metrics_address().c_str());
  std::fflush(stdout);

  msq::LogInfo("signal ", signals.Await(), ": draining");
  (*server)->Shutdown(absl::Seconds(drain_delay_seconds), absl::Seconds(drain_grace_seconds));
  return 0;
}

#include "server/daemon.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "absl/synchronization/mutex.h"
#include "backends/cpu/cpu_backend.h"
#include "backends/fpga/device_spec.h"
#include "backends/fpga/fpga_backend.h"
#include "base/log.h"
#include "base/status.h"
#include "server/network/descriptors.h"
#include "server/notify.h"
#include "server/server.h"
#include "server/signals.h"
#include "server/status/log_history.h"

namespace msq::server {
namespace {

constexpr int kMostSeconds = 30 * 24 * 3600;  // of an option

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "msqd: %s\n", std::string(Message(status)).c_str());
  return 1;
}

// What the manager does not hear does not keep the daemon from serving.
void Tell(const ServiceManager& manager, const std::string& state) {
  if (const absl::Status status = manager.Tell(state); !status.ok()) LogWarning(std::string(Message(status)));
}

// That all ports listen.
void Announce(const Server& server, const ServiceManager& manager) {
  const std::string addresses = absl::StrCat("grpc=", server.grpc_address(), " http=", server.http_address(),
                                             " metrics=", server.metrics_address());
  std::printf("ready %s\n", addresses.c_str());
  std::fflush(stdout);
  Tell(manager, absl::StrCat("READY=1\nSTATUS=Serving ", addresses));
}

void AddRepositoryOptions(CLI::App* app, ModelRepository::Options* options, int* poll_seconds) {
  using Mode = ModelRepository::Mode;
  const std::map<std::string, Mode> modes = {
      {"none", Mode::kNone}, {"poll", Mode::kPoll}, {"explicit", Mode::kExplicit}};
  app->add_option("--model-control-mode", options->mode,
                  "none: what is there at the start; poll: follows the folder; explicit: what is asked for")
      ->transform(CLI::CheckedTransformer(modes).description("none|poll|explicit"))
      ->default_str("none");
  app->add_option("--repository-poll-secs", *poll_seconds, "poll: time between two looks")
      ->check(CLI::Range(1, kMostSeconds));
  app->add_option("--load-model", options->startup_models, "explicit: loaded at the start; may repeat; * is all");
}

void AddLimits(CLI::App* app, ServerOptions* options, int* answer_timeout_seconds) {
  app->add_option("--threads", options->threads, "threads that one inference may use; 0: the machine's");
  app->add_option("--workers", options->workers, "batches at a time on the CPU");
  app->add_option("--queue-capacity", options->queue_capacity, "requests of a model that may wait");
  app->add_option("--max-queued-bytes", options->max_queued_bytes,
                  "memory of the requests under way, and of the answers that are not read yet");
  app->add_option("--max-message-bytes", options->max_message_bytes, "largest request and answer");
  app->add_option("--grpc-compression", options->grpc_compression,
                  "takes compressed messages, which may inflate beyond any limit: for trusted clients");
  app->add_option("--answer-timeout-seconds", *answer_timeout_seconds, "for a client to read an answer")
      ->check(CLI::Range(1, 1'000'000));
  const std::map<std::string, bool> full = {{"UNAVAILABLE", false}, {"RESOURCE_EXHAUSTED", true}};
  app->add_option("--queue-full-status", options->full_is_exhausted, "status that a full queue answers with")
      ->transform(CLI::CheckedTransformer(full).description("UNAVAILABLE|RESOURCE_EXHAUSTED"))
      ->default_str("UNAVAILABLE");
  app->add_option("--response-cache-bytes", options->response_cache_bytes,
                  "for models whose configuration enables response_cache; 0: none");
}

void AddSecurityOptions(CLI::App* app, ServerOptions* options) {
  app->add_option("--tls-certificate", options->tls.certificate, "PEM file; without it connections are plain text");
  app->add_option("--tls-key", options->tls.key, "PEM file of the certificate's key");
  app->add_option("--tls-client-ca", options->tls.client_ca, "PEM file; clients must show a certificate of these");
  app->add_option("--tokens", options->tokens_file, "JSON file of bearer tokens; SIGHUP reads it again");
}

struct PowerOptions {
  int interval_ms = 1000;
  std::vector<std::string> rails;
};

void AddMetricsOptions(CLI::App* app, ServerOptions* options, PowerOptions* power) {
  app->add_option("--metrics-address", options->metrics_address, "HOST:PORT of /metrics and the status page");
  app->add_flag("--triton-metrics", options->triton_metrics, "serves the metrics under Triton's names (nv_...), too");
  app->add_option("--status-details", options->status_details,
                  "whether the status page has log lines and reasons; by default where neither --tokens nor "
                  "--tls-client-ca is given")
      ->default_str("");
  app->add_option("--power-interval-ms", power->interval_ms,
                  "between two samples of power and energy; 0: none is taken and there are no such series")
      ->check(CLI::Range(0, 60'000));
  app->add_option(
      "--power-rail", power->rails,
      "CHIP/RAIL=BACKEND[/NAME]: whose a rail of hwmon is (none: nobody's), and what it is called; * fits any; "
      "may repeat, the first that fits holds");
  app->add_option("--sysfs-root", options->sysfs_root, "where powercap and hwmon are looked for");
}

// INVALID_ARGUMENT for a rule that cannot be read.
absl::Status SetPowerOptions(const PowerOptions& power, ServerOptions* options) {
  options->power_interval = absl::Milliseconds(power.interval_ms);
  for (const std::string& rail : power.rails) {
    MSQ_ASSIGN_OR_RETURN(options->power_rails.emplace_back(), ParsePowerRailRule(rail));
  }
  return absl::OkStatus();
}

struct FpgaOptions {
  std::vector<std::string> devices;
  double verify_fraction = 0;
  double probe_seconds = 5;
};

void AddFpgaOptions(CLI::App* app, FpgaOptions* options) {
  app->add_option("--fpga-device", options->devices,
                  absl::StrCat("an accelerator to serve from; may repeat: ", std::string(fpga::kDeviceSpecHelp)));
  app->add_option("--verify-fraction", options->verify_fraction,
                  "of the accelerators' answers, computed again on the CPU beside the requests")
      ->check(CLI::Range(0.0, 1.0));
  app->add_option("--probe-seconds", options->probe_seconds, "between two looks at an accelerator in quarantine")
      ->check(CLI::Range(0.001, double{kMostSeconds}));
}

// A backend for each name that the devices give, the first one first, and the CPU.
absl::StatusOr<BackendRegistry> OpenBackends(const FpgaOptions& options) {
  MSQ_ASSIGN_OR_RETURN(std::unique_ptr<Backend> cpu, cpu::CreateCpuBackend());
  std::vector<fpga::FpgaBackendOptions> backends;
  std::set<std::string> boards;
  for (size_t i = 0; i < options.devices.size(); ++i) {
    MSQ_ASSIGN_OR_RETURN(fpga::DeviceSpec spec, fpga::ParseDeviceSpec(options.devices[i], static_cast<int>(i)));
    if (spec.backend == cpu->name()) {
      return InvalidArgument("device '", options.devices[i], "': backend: '", spec.backend, "' is the processor's");
    }
    auto backend = std::find_if(backends.begin(), backends.end(),
                                [&](const fpga::FpgaBackendOptions& other) { return other.name == spec.backend; });
    if (backend == backends.end()) {
      backend = backends.insert(backend, {.name = spec.backend,
                                          .configuration = spec.configuration,
                                          .probe_interval = absl::Seconds(options.probe_seconds),
                                          .verify_fraction = options.verify_fraction});
    }
    if (backend->configuration.name != spec.configuration.name) {
      return InvalidArgument("device '", options.devices[i], "': backend '", spec.backend, "' has configuration '",
                             std::string(backend->configuration.name), "'; name another with backend=NAME");
    }
    if (!spec.board.empty() && !boards.insert(spec.board).second) {
      return InvalidArgument("device '", options.devices[i], "': ", spec.board,
                             " is another device already; tell boards apart by index=N");
    }
    backend->devices.push_back(std::move(spec.device));
  }
  BackendRegistry registry;
  for (const fpga::FpgaBackendOptions& backend : backends) {
    auto opened = fpga::CreateFpgaBackend(backend, cpu.get());
    if (!opened.ok()) return WithContext(opened.status(), "backend ", backend.name);
    MSQ_RETURN_IF_ERROR(registry.Register(*std::move(opened)));
  }
  MSQ_RETURN_IF_ERROR(registry.Register(std::move(cpu)));
  return registry;
}

}  // namespace

int RunDaemon(int argc, char** argv, std::vector<std::unique_ptr<Platform>> platforms) {
  ServerOptions options;
  int drain_grace_seconds = 30, drain_delay_seconds = 0, poll_seconds = 15, answer_timeout_seconds = 60, trace_rate = 0;
  CLI::App app("Serves 4-bit MSQ networks over the Open Inference Protocol v2");
  app.set_version_flag("--version", MSQ_VERSION);
  app.option_defaults()->always_capture_default();
  app.add_option("--model-repository", options.repository.path, "folder of <model>/<version>/model.msq")->required();
  AddRepositoryOptions(&app, &options.repository, &poll_seconds);
  app.add_option("--strict-readiness", options.strict_readiness, "ready only when every model is");
  app.add_option("--server-name", options.server_name, "name in ServerMetadata");
  app.add_option("--grpc-address", options.grpc_address, "HOST:PORT; port 0 picks a free one");
  app.add_option("--http-address", options.http_address, "HOST:PORT of the REST protocol");

  PowerOptions power;
  AddMetricsOptions(&app, &options, &power);
  AddLimits(&app, &options, &answer_timeout_seconds);
  AddSecurityOptions(&app, &options);
  FpgaOptions fpga;
  AddFpgaOptions(&app, &fpga);
  app.add_option("--trace-file", options.trace_file, "where traces are written");
  app.add_option("--trace-rate", trace_rate, "one of so many requests is traced, 0 none; needs --trace-file")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--drain-grace-seconds", drain_grace_seconds, "at shutdown, time for requests under way")
      ->check(CLI::Range(0, kMostSeconds));
  app.add_option("--drain-delay-seconds", drain_delay_seconds, "at shutdown, time to serve on while not ready")
      ->check(CLI::Range(0, kMostSeconds));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  if (trace_rate > 0) options.trace = {{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {std::to_string(trace_rate)}}};
  options.repository.poll_interval = absl::Seconds(poll_seconds);
  options.answer_timeout = absl::Seconds(answer_timeout_seconds);

  // gRPC's own log lines would stand beside ours when a port is in use; GRPC_VERBOSITY brings them back.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  signal(SIGPIPE, SIG_IGN);
  // Debian builds Abseil with its assertions, so every mutex of gRPC would be entered in a global graph of lock orders.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  Signals signals;
  RaiseDescriptorLimit();
  LogHistory::OfProcess();  // from the first line on

  if (const absl::Status status = SetPowerOptions(power, &options); !status.ok()) return Fail(status);
  const auto manager = ServiceManager::FromEnvironment();
  if (!manager.ok()) return Fail(manager.status());
  auto backends = OpenBackends(fpga);
  if (!backends.ok()) return Fail(backends.status());
  auto server = Server::Create(options, *std::move(backends), std::move(platforms));
  if (!server.ok()) return Fail(server.status());
  signals.StartServing([&server] {
    const absl::Status status = (*server)->ReloadTokens();
    if (status.ok()) {
      LogInfo("tokens are read again");
    } else {
      LogError("the old tokens stay in force: ", status.ToString());
    }
  });
  Announce(**server, *manager);
  const WatchdogFeeder feeder(&*manager, [&server](absl::Duration within) { return (*server)->CheckAlive(within); });

  LogInfo("signal ", signals.AwaitStop(), ": draining");
  Tell(*manager, "STOPPING=1\nSTATUS=Answering what was accepted");
  (*server)->Shutdown(absl::Seconds(drain_delay_seconds), absl::Seconds(drain_grace_seconds));
  return 0;
}

}  // namespace msq::server

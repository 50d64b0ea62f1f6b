// What each RPC of the protocol means, apart from how it travels: gRPC and HTTP translate to and from these calls.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/engine/inference_engine.h"
#include "server/models/model_repository.h"
#include "server/observe/log_settings.h"
#include "server/observe/trace.h"
#include "server/protocol/shared_memory.h"
#include "server/security/token_store.h"

namespace msq::server {

// Who calls, as far as the transport tells.
struct Caller {
  std::string authorization;  // value of the header of that name; empty when there was none
};

// Thread-safe. Messages must live until the answer. What is given to the constructor must outlive it.
class ProtocolService {
 public:
  struct Options {
    std::string server_name;
    std::string server_version;
    bool strict_readiness = true;  // ready only when every model is
  };
  struct Parts {
    ModelRepository* repository;
    InferenceEngine* engine;
    SharedMemoryRegistry* regions;
    Tracer* tracer;
    const TokenStore* tokens;
  };
  using Done = std::function<void(const absl::Status&)>;

  ProtocolService(const Parts& parts, Options options);

  // The two steps of a shutdown: from now on the server says that it is not ready; it refuses new inferences.
  void StartDraining() { draining_ = true; }
  void StartRefusing() { refusing_ = true; }
  bool draining() const { return draining_; }
  bool Ready() const;

  // Every call asks this by itself; a transport may ask before it goes to the trouble of reading a request. UNAUTHENTICATED
  // or PERMISSION_DENIED.
  absl::Status Authorize(const Caller& caller, Right right, std::string_view model) const;

  absl::Status ServerLive(const Caller&, const inference::ServerLiveRequest&, inference::ServerLiveResponse*);
  absl::Status ServerReady(const Caller&, const inference::ServerReadyRequest&, inference::ServerReadyResponse*);
  absl::Status ServerMetadata(const Caller&, const inference::ServerMetadataRequest&,
                              inference::ServerMetadataResponse*);
  absl::Status ModelReady(const Caller&, const inference::ModelReadyRequest&, inference::ModelReadyResponse*);
  absl::Status ModelMetadata(const Caller&, const inference::ModelMetadataRequest&, inference::ModelMetadataResponse*);
  absl::Status ModelConfig(const Caller&, const inference::ModelConfigRequest&, inference::ModelConfigResponse*);
  absl::Status ModelStatistics(const Caller&, const inference::ModelStatisticsRequest&,
                               inference::ModelStatisticsResponse*);
  absl::Status RepositoryIndex(const Caller&, const inference::RepositoryIndexRequest&,
                               inference::RepositoryIndexResponse*);
  absl::Status SystemSharedMemoryStatus(const Caller&, const inference::SystemSharedMemoryStatusRequest&,
                                        inference::SystemSharedMemoryStatusResponse*);
  absl::Status SystemSharedMemoryRegister(const Caller&, const inference::SystemSharedMemoryRegisterRequest&,
                                          inference::SystemSharedMemoryRegisterResponse*);
  absl::Status SystemSharedMemoryUnregister(const Caller&, const inference::SystemSharedMemoryUnregisterRequest&,
                                            inference::SystemSharedMemoryUnregisterResponse*);
  absl::Status CudaSharedMemoryStatus(const Caller&, const inference::CudaSharedMemoryStatusRequest&,
                                      inference::CudaSharedMemoryStatusResponse*);
  absl::Status CudaSharedMemoryRegister(const Caller&, const inference::CudaSharedMemoryRegisterRequest&,
                                        inference::CudaSharedMemoryRegisterResponse*);
  absl::Status CudaSharedMemoryUnregister(const Caller&, const inference::CudaSharedMemoryUnregisterRequest&,
                                          inference::CudaSharedMemoryUnregisterResponse*);
  absl::Status TraceSetting(const Caller&, const inference::TraceSettingRequest&, inference::TraceSettingResponse*);
  absl::Status LogSettings(const Caller&, const inference::LogSettingsRequest&, inference::LogSettingsResponse*);

  // The slow ones: `done` is called once, maybe before the return, on any thread.
  void RepositoryModelLoad(const Caller&, const inference::RepositoryModelLoadRequest&,
                           inference::RepositoryModelLoadResponse*, Done done);
  void RepositoryModelUnload(const Caller&, const inference::RepositoryModelUnloadRequest&,
                             inference::RepositoryModelUnloadResponse*, Done done);

  // As InferenceEngine's Infer, Cancel and Hold.
  RequestHandle ModelInfer(const Caller&, InferenceCall call);
  void Cancel(const RequestHandle& request) { parts_.engine->Cancel(request); }
  HeldBytes Hold(int64_t bytes) { return parts_.engine->Hold(bytes); }

 private:
  // Fails when the caller has not the right; else its token's name, empty where the server asks for none.
  absl::StatusOr<std::string> Identify(const Caller& caller, Right right, std::string_view model) const;
  bool MayRead(const Caller& caller, std::string_view model) const;

  const Parts parts_;
  const Options options_;
  std::atomic<bool> draining_{false};
  std::atomic<bool> refusing_{false};
};

}  // namespace msq::server

// The inference service with its messages as gRPC's bytes.
#pragma once

#include "proto/inference.grpc.pb.h"

namespace msq::server {

// A service made of generated classes, each of which makes one method raw.
template <typename Base, template <typename> typename... Methods>
struct MethodsOf {
  using Type = Base;
};
template <typename Base, template <typename> typename First, template <typename> typename... Others>
struct MethodsOf<Base, First, Others...> {
  using Type = First<typename MethodsOf<Base, Others...>::Type>;
};

using GrpcInference = inference::GRPCInferenceService;
using RawInferenceService = MethodsOf<
    GrpcInference::Service, GrpcInference::WithRawCallbackMethod_ServerLive,
    GrpcInference::WithRawCallbackMethod_ServerReady, GrpcInference::WithRawCallbackMethod_ModelReady,
    GrpcInference::WithRawCallbackMethod_ServerMetadata, GrpcInference::WithRawCallbackMethod_ModelMetadata,
    GrpcInference::WithRawCallbackMethod_ModelInfer, GrpcInference::WithRawCallbackMethod_ModelStreamInfer,
    GrpcInference::WithRawCallbackMethod_ModelConfig, GrpcInference::WithRawCallbackMethod_ModelStatistics,
    GrpcInference::WithRawCallbackMethod_RepositoryIndex, GrpcInference::WithRawCallbackMethod_RepositoryModelLoad,
    GrpcInference::WithRawCallbackMethod_RepositoryModelUnload,
    GrpcInference::WithRawCallbackMethod_SystemSharedMemoryStatus,
    GrpcInference::WithRawCallbackMethod_SystemSharedMemoryRegister,
    GrpcInference::WithRawCallbackMethod_SystemSharedMemoryUnregister,
    GrpcInference::WithRawCallbackMethod_CudaSharedMemoryStatus,
    GrpcInference::WithRawCallbackMethod_CudaSharedMemoryRegister,
    GrpcInference::WithRawCallbackMethod_CudaSharedMemoryUnregister, GrpcInference::WithRawCallbackMethod_TraceSetting,
    GrpcInference::WithRawCallbackMethod_LogSettings>::Type;

}  // namespace msq::server

// The REST form of the Open Inference Protocol v2 and its Triton extensions: routes, and nothing but translation.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "server/engine/protocol_service.h"
#include "server/http/web_exchange.h"

namespace msq::server {

// Thread-safe. The service must outlive it, and it every exchange that is not answered.
class HttpService {
 public:
  // `max_tensor_bytes`: that the JSON of one inference may say.
  HttpService(ProtocolService* core, uint64_t max_tensor_bytes) : core_(core), max_tensor_bytes_(max_tensor_bytes) {}

  // Of a request whose body is not here yet: an answer when it need not come, because there is no such endpoint, the caller
  // may not do this, or nobody would read it.
  std::optional<WebResponse> CheckHead(const WebRequest& head) const;

  // Answers the exchange, now or later. Errors are {"error": message} with the status of status_to_http.
  void Handle(const std::shared_ptr<WebExchange>& exchange);

 private:
  ProtocolService* const core_;
  const uint64_t max_tensor_bytes_;
};

}  // namespace msq::server

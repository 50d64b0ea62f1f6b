// The REST form of the Open Inference Protocol v2 and its Triton extensions: routes, and nothing but translation.
#pragma once

#include <memory>

#include "server/engine/protocol_service.h"
#include "server/http/web_exchange.h"

namespace msq::server {

// Thread-safe. The service must outlive it, and it every exchange that is not answered.
class HttpService {
 public:
  explicit HttpService(ProtocolService* core) : core_(core) {}

  // Answers the exchange, now or later. Errors are {"error": message} with the status of status_to_http.
  void Handle(const std::shared_ptr<WebExchange>& exchange);

 private:
  ProtocolService* const core_;
};

}  // namespace msq::server

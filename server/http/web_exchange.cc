#include "server/http/web_exchange.h"

#include "absl/strings/match.h"

namespace msq::server {

std::string_view WebRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (absl::EqualsIgnoreCase({key.data(), key.size()}, {name.data(), name.size()})) return value;
  }
  return {};
}

WebExchange::WebExchange(WebRequest request, std::function<void(WebResponse)> respond)
    : request_(std::move(request)), respond_(std::move(respond)) {}

WebExchange::~WebExchange() {
  if (respond_ != nullptr) respond_({500, {{"Content-Type", "text/plain"}}, "the request was dropped\n"});
}

void WebExchange::Respond(WebResponse response) {
  std::function<void(WebResponse)> respond;
  std::function<void()> dropped;  // destroyed outside the lock: it may hold what holds this
  {
    std::lock_guard lock(mutex_);
    respond.swap(respond_);
    dropped.swap(on_disconnect_);
  }
  if (respond != nullptr) respond(std::move(response));
}

void WebExchange::OnDisconnect(std::function<void()> callback) {
  {
    std::lock_guard lock(mutex_);
    if (respond_ == nullptr) return;
    if (!disconnected_) {
      on_disconnect_ = std::move(callback);
      return;
    }
  }
  callback();
}

void WebExchange::Disconnect() {
  std::function<void()> callback;
  {
    std::lock_guard lock(mutex_);
    disconnected_ = true;
    callback.swap(on_disconnect_);
  }
  if (callback != nullptr) callback();
}

}  // namespace msq::server

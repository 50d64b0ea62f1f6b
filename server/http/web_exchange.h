// One HTTP request and the way to answer it: what the web server hands to its handler.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace msq::server {

using WebHeaders = std::vector<std::pair<std::string, std::string>>;

struct WebRequest {
  std::string method;
  std::string path;   // as it came: percent-encoded, without the query
  std::string query;  // what follows '?', as it came
  WebHeaders headers;
  std::string body;
  std::string peer;  // HOST:PORT of the client

  // The first header of that name (case does not matter), empty when there is none.
  std::string_view Header(std::string_view name) const;
};

struct WebResponse {
  int status = 200;
  WebHeaders headers;
  std::string body;
  std::shared_ptr<const void> held = nullptr;  // let go when the answer is sent, or the client is gone
};

// One request and the way to answer it. Thread-safe. The first answer counts; an exchange that goes without one answers
// 500, so that no client waits for ever.
class WebExchange {
 public:
  WebExchange(WebRequest request, std::function<void(WebResponse)> respond);
  ~WebExchange();
  WebExchange(const WebExchange&) = delete;
  WebExchange& operator=(const WebExchange&) = delete;

  const WebRequest& request() const { return request_; }
  // The handler's, once, before it hands the exchange on: the body is free as soon as its taker lets it go.
  std::string TakeBody() { return std::move(request_.body); }
  void Respond(WebResponse response);
  // Calls back, at most once, when the client goes away before it is answered.
  void OnDisconnect(std::function<void()> callback);

  // The server's: the client is gone.
  void Disconnect();

 private:
  WebRequest request_;
  std::mutex mutex_;
  std::function<void(WebResponse)> respond_;  // null: answered
  std::function<void()> on_disconnect_;
  bool disconnected_ = false;
};

}  // namespace msq::server

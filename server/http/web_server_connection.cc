#include "server/http/web_server_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace msq::server {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace net = boost::asio;
using tcp = net::ip::tcp;

constexpr uint32_t kMaxHeaderBytes = 16 << 10;
// After a refusal: time to read and drop what the client still sends, so that it reads the answer instead of a reset.
constexpr std::chrono::seconds kLingerTime(2);

std::string ToString(beast::string_view text) {
  return std::string(text.data(), text.size());
}

// One client, over TCP or TLS. Everything but the constructor and WebConnection's methods runs on the socket's strand; the
// pending operation, or WebServerState::waiting, owns it.
template <typename Stream>
class StreamConnection final : public WebConnection {
 public:
  template <typename... Arguments>
  StreamConnection(std::shared_ptr<WebServerState> state, Arguments&&... arguments)
      : state_(std::move(state)), stream_(std::forward<Arguments>(arguments)...) {
    std::lock_guard lock(state_->mutex);
    state_->connections.emplace(this, absl::Now());
  }
  ~StreamConnection() override {
    Refund();
    std::lock_guard lock(state_->mutex);
    state_->connections.erase(this);
    state_->changed.notify_all();
  }

  void Run() {
    net::dispatch(Tcp().get_executor(), [self = Self()] { self->Handshake(); });
  }
  void Send(std::shared_ptr<WebConnection> connection, WebResponse response) override {
    const auto strand = Tcp().get_executor();
    net::post(strand, [self = std::static_pointer_cast<StreamConnection>(std::move(connection)),
                       response = std::move(response)]() mutable { self->Write(std::move(response)); });
  }
  void Close(If state) override {
    net::post(Tcp().get_executor(), [self = Self(), state] {
      if ((state == If::kIdle && !self->idle_) || (state == If::kWaiting && !self->waiting_)) return;
      self->Tcp().close();
      if (const auto exchange = self->exchange_.lock()) exchange->Disconnect();
    });
  }

 private:
  static constexpr bool kTls = !std::is_same_v<Stream, beast::tcp_stream>;

  std::shared_ptr<StreamConnection> Self() { return std::static_pointer_cast<StreamConnection>(shared_from_this()); }
  beast::tcp_stream& Tcp() { return beast::get_lowest_layer(stream_); }
  void Limit(absl::Duration duration) { Tcp().expires_after(absl::ToChronoNanoseconds(duration)); }
  void LimitStep() { Limit(state_->options.step_timeout); }
  void LimitFirstStep() { Limit(std::min(state_->options.first_timeout, state_->options.step_timeout)); }
  void SetWaiting(bool waiting) {
    waiting_ = waiting;
    state_->SetWaiting(this, waiting);
  }

  void Handshake() {
    beast::error_code ignored;
    Tcp().socket().set_option(tcp::no_delay(true), ignored);
    const tcp::endpoint peer = Tcp().socket().remote_endpoint(ignored);
    const std::string host = peer.address().to_string(ignored);
    peer_ = absl::StrCat(peer.address().is_v6() ? "[" + host + "]" : host, ":", peer.port());
    if constexpr (kTls) {
      LimitFirstStep();
      stream_.async_handshake(net::ssl::stream_base::server, [self = Self()](beast::error_code error) {
        if (!error) self->ReadHeaders();
      });
    } else {
      ReadHeaders();
    }
  }

  void ReadHeaders() {
    if (state_->stopping) return;  // destroyed, and with it the socket
    idle_ = true;
    SetWaiting(true);
    request_line_.clear();
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(state_->options.max_body_bytes);
    first_ ? LimitFirstStep() : LimitStep();
    first_ = false;
    http::async_read_header(stream_, buffer_, *parser_, [self = Self()](beast::error_code error, size_t) {
      self->idle_ = false;
      error ? self->RefuseUnreadable(error) : self->CheckHeaders();
    });
  }

  void CheckHeaders() {
    const auto& headers = parser_->get();
    request_line_ = absl::StrCat(ToString(headers.method_string()), " ", ToString(headers.target()));
    const auto coding = headers[http::field::content_encoding];
    if (!coding.empty() && !beast::iequals(coding, "identity")) {
      return Refuse(415, absl::StrCat("a body in Content-Encoding '", ToString(coding), "' is not supported"));
    }
    const auto transfer = headers[http::field::transfer_encoding];
    if (!transfer.empty() && !beast::iequals(transfer, "chunked")) {
      return Refuse(501, absl::StrCat("Transfer-Encoding '", ToString(transfer), "' is not supported"));
    }
    if (!parser_->is_done() && state_->options.check_head) {
      if (auto refusal = state_->options.check_head(Head())) return Refuse(*std::move(refusal));
    }
    LimitStep();
    if (beast::iequals(headers[http::field::expect], "100-continue") && !parser_->is_done()) return Continue();
    ReadBody();
  }

  void Continue() {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    net::async_write(stream_, net::const_buffer(kContinue.data(), kContinue.size()),
                     [self = Self()](beast::error_code error, size_t) {
                       if (!error) self->ReadBody();
                     });
  }

  // Piece by piece, each charged when it is here: a body that is announced and never sent takes no one's room.
  void ReadBody() {
    if (parser_->is_done()) return Dispatch();
    http::async_read_some(stream_, buffer_, *parser_, [self = Self()](beast::error_code error, size_t) {
      if (error) return self->RefuseUnreadable(error);
      const uint64_t bytes = self->parser_->get().body().size();
      if (!self->state_->Charge(bytes - self->charged_)) {
        return self->Refuse(503, "too many bytes of requests are under way");
      }
      self->charged_ = bytes;
      self->SetWaiting(true);  // anew
      self->ReadBody();
    });
  }

  void RefuseUnreadable(beast::error_code error) {
    if (error == http::error::body_limit) {
      return Refuse(413, absl::StrCat("the body is larger than ", state_->options.max_body_bytes, " bytes"));
    }
    if (error == http::error::header_limit) {
      return Refuse(431, absl::StrCat("the headers are larger than ", kMaxHeaderBytes, " bytes"));
    }
    const bool gone = error == http::error::end_of_stream || error == http::error::partial_message;
    if (error.category() != make_error_code(http::error::bad_value).category() || gone) return;  // closes
    Refuse(400, absl::StrCat("this is no HTTP request: ", error.message()));
  }

  // The request without its body.
  WebRequest Head() const {
    const auto& message = parser_->get();
    WebRequest request;
    request.method = ToString(message.method_string());
    std::string target = ToString(message.target());
    if (absl::StartsWithIgnoreCase(target, "http://") || absl::StartsWithIgnoreCase(target, "https://")) {
      const size_t path = target.find('/', target.find("//") + 2);
      target = path == std::string::npos ? "/" : target.substr(path);
    }
    const size_t question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string::npos) request.query = target.substr(question + 1);
    for (const auto& field : message) {
      request.headers.emplace_back(ToString(field.name_string()), ToString(field.value()));
    }
    request.peer = peer_;
    return request;
  }

  void Dispatch() {
    SetWaiting(false);
    Tcp().expires_never();
    keep_alive_ = parser_->keep_alive();
    head_ = parser_->get().method() == http::verb::head;
    const uint64_t id = state_->next_exchange++;
    WebRequest request = Head();
    request.body = std::move(parser_->get().body());
    const uint64_t body_bytes = request.body.size();
    const auto exchange = std::make_shared<WebExchange>(
        std::move(request), [state = state_, id](WebResponse response) { state->Answer(id, std::move(response)); });
    {
      std::lock_guard lock(state_->mutex);
      state_->waiting.emplace(id, shared_from_this());  // from here on only an answer lets go of it
    }
    exchange_ = exchange;
    WatchForDisconnect();
    state_->run(body_bytes, [state = state_, exchange] { Handle(*state, exchange); });
  }

  static void Handle(const WebServerState& state, const std::shared_ptr<WebExchange>& exchange) {
    try {
      state.handler(exchange);
    } catch (const std::exception& error) {
      exchange->Respond(state.ErrorPage(500, absl::StrCat("the request failed: ", error.what())));
    } catch (...) {
      exchange->Respond(state.ErrorPage(500, "the request failed"));
    }
  }

  // Tells the exchange when the client closes while its answer is in the making. A client that has sent more by then, as
  // TLS does to say goodbye, is not watched further.
  void WatchForDisconnect() {
    Tcp().socket().async_wait(tcp::socket::wait_read, [self = Self(), exchange = exchange_](beast::error_code error) {
      char byte = 0;
      if (error || recv(self->Tcp().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0) return;
      if (const auto waiting = exchange.lock()) waiting->Disconnect();
    });
  }

  void Refuse(int status, const std::string& message) { Refuse(state_->ErrorPage(status, message)); }
  void Refuse(WebResponse response) {
    refused_ = true;
    keep_alive_ = head_ = false;
    parser_.reset();  // with what is here of the body
    Refund();
    Write(std::move(response));
  }

  void Write(WebResponse response) {
    exchange_.reset();
    SetWaiting(false);
    Tcp().cancel();  // the watch
    if (state_->stopping) keep_alive_ = false;
    response_.emplace();
    response_->result(static_cast<unsigned>(response.status));
    if (response_->result() == http::status::unknown) response_->reason("Unknown");
    for (const auto& [name, value] : response.headers) response_->insert(name, value);
    response_->keep_alive(keep_alive_);
    LogVerbose(1, "HTTP ", peer_, " ", request_line_, ": ", response.status);
    response_->content_length(response.body.size());
    if (!head_) response_->body() = std::move(response.body);
    sending_ = std::move(response.held);
    Limit(state_->options.answer_timeout);
    http::async_write(stream_, *response_, [self = Self()](beast::error_code error, size_t) {
      self->response_.reset();
      self->sending_.reset();
      self->Refund();
      if (error) return;
      if (self->refused_ && !self->state_->stopping) return self->Linger();
      if (self->keep_alive_) return self->ReadHeaders();
      beast::error_code ignored;
      self->Tcp().socket().shutdown(tcp::socket::shutdown_send, ignored);
    });
  }

  // Every answer states its length, so that TLS clients need no goodbye either.
  void Linger() {
    beast::error_code ignored;
    Tcp().socket().shutdown(tcp::socket::shutdown_send, ignored);
    Tcp().expires_after(kLingerTime);
    idle_ = true;
    SetWaiting(true);
    Drop();
  }
  void Drop() {
    buffer_.clear();
    Tcp().async_read_some(buffer_.prepare(kMaxHeaderBytes), [self = Self()](beast::error_code error, size_t) {
      if (!error) self->Drop();
    });
  }

  void Refund() {
    if (charged_ > 0) state_->Refund(charged_);
    charged_ = 0;
  }

  const std::shared_ptr<WebServerState> state_;
  Stream stream_;
  std::string peer_;
  std::string request_line_;  // of the request under way, for the log
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> response_;
  std::shared_ptr<const void> sending_;
  std::weak_ptr<WebExchange> exchange_;
  uint64_t charged_ = 0;
  bool first_ = true;    // no request has been read yet
  bool idle_ = true;     // no request is under way
  bool waiting_ = true;  // for the client's next bytes
  bool keep_alive_ = false;
  bool head_ = false;
  bool refused_ = false;
};

}  // namespace

void ServeClient(std::shared_ptr<WebServerState> state, tcp::socket socket) {
  std::make_shared<StreamConnection<beast::tcp_stream>>(std::move(state), std::move(socket))->Run();
}

void ServeTlsClient(std::shared_ptr<WebServerState> state, tcp::socket socket, net::ssl::context& tls) {
  std::make_shared<StreamConnection<beast::ssl_stream<beast::tcp_stream>>>(std::move(state), std::move(socket), tls)
      ->Run();
}

}  // namespace msq::server

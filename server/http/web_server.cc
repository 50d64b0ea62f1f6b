#include "server/http/web_server.h"

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/log.h"
#include "base/status.h"
#include "server/http/web_server_connection.h"
#include "server/network/descriptors.h"
#include "server/network/host_port.h"

namespace msq::server {
namespace {

namespace net = boost::asio;
using boost::system::error_code;
using tcp = net::ip::tcp;

constexpr std::chrono::milliseconds kAcceptRetryDelay(50);

// What a JSON parser takes less than a millisecond for, and what it takes less than some hundred for.
constexpr uint64_t kSmallBodyBytes = 4 << 10;
constexpr uint64_t kLargeBodyBytes = 1 << 20;

absl::Status LoadTls(const WebServer::Tls& tls, net::ssl::context* context) {
  error_code error;
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  // Else OpenSSL asks the terminal for the key's password.
  context->set_password_callback([](size_t, net::ssl::context::password_purpose) { return std::string(); }, error);
  context->use_certificate_chain_file(tls.certificate_file, error);
  if (error) return InvalidArgument("TLS certificate ", tls.certificate_file, ": ", error.message());
  context->use_private_key_file(tls.key_file, net::ssl::context::pem, error);
  if (error) return InvalidArgument("TLS key ", tls.key_file, ": ", error.message());
  if (tls.client_ca_file.empty()) return absl::OkStatus();
  context->load_verify_file(tls.client_ca_file, error);
  if (error) return InvalidArgument("TLS client CA ", tls.client_ca_file, ": ", error.message());
  // Without a name for its sessions OpenSSL refuses clients that resume one of a server that verifies them.
  static constexpr unsigned char kSessionContext[] = "msqd";
  SSL_CTX_set_session_id_context(context->native_handle(), kSessionContext, sizeof(kSessionContext) - 1);
  // Tells clients which of their certificates to show.
  SSL_CTX_set_client_CA_list(context->native_handle(), SSL_load_client_CA_file(tls.client_ca_file.c_str()));
  context->set_verify_mode(net::ssl::verify_peer | net::ssl::verify_fail_if_no_peer_cert, error);
  return absl::OkStatus();
}

std::string Cause(const error_code& error) {
  if (error == net::error::address_in_use) return "the port is in use";
  if (error == boost::system::errc::address_not_available) return "the address is not this machine's";
  return error.message();
}

}  // namespace

class WebServer::Impl {
 public:
  Impl(Options options, Handler handler) : threads_wanted_(std::max(options.threads, 1)) {
    options.max_total_body_bytes = std::max(options.max_total_body_bytes, options.max_body_bytes);
    state_->options = std::move(options);
    state_->handler = std::move(handler);
  }
  ~Impl() { Stop(absl::ZeroDuration()); }

  absl::Status Start() {
    const Options& options = state_->options;
    if (options.tls) MSQ_RETURN_IF_ERROR(LoadTls(*options.tls, &tls_.emplace(net::ssl::context::tls_server)));
    MSQ_RETURN_IF_ERROR(WithContext(Listen(options.address), "cannot listen on ", options.address));
    if (options.max_body_bytes > kSmallBodyBytes) {
      bodies_.emplace(threads_wanted_);
      large_bodies_.emplace((threads_wanted_ + 1) / 2);
    }
    state_->run = [this](uint64_t body_bytes, std::function<void()> task) { Run(body_bytes, std::move(task)); };
    Accept();
    for (int i = 0; i < threads_wanted_; ++i) threads_.emplace_back([this] { RunThread(); });
    return absl::OkStatus();
  }

  int port() const { return port_; }

  void Stop(absl::Duration grace) {
    if (state_->stopping.exchange(true)) return;
    net::post(strand_, [this] {
      error_code ignored;
      acceptor_.close(ignored);
      retry_.cancel();
    });
    CloseConnections(WebConnection::If::kIdle);
    {
      std::unique_lock lock(state_->mutex);
      state_->changed.wait_for(lock, absl::ToChronoNanoseconds(std::max(grace, absl::ZeroDuration())),
                               [this] { return state_->connections.empty(); });
    }
    CloseConnections(WebConnection::If::kAny);
    Abandon();
    for (auto* pool : {&bodies_, &large_bodies_}) {
      if (*pool) (*pool)->stop();
    }
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    for (auto* pool : {&bodies_, &large_bodies_}) {
      if (*pool) (*pool)->join();
    }
    Abandon();  // what was begun meanwhile
  }

 private:
  // Those who wait for an answer hear nothing any more.
  void Abandon() {
    std::lock_guard lock(state_->mutex);
    abandoned_.merge(state_->waiting);
  }

  void Run(uint64_t body_bytes, std::function<void()> task) {
    if (body_bytes <= kSmallBodyBytes) return task();
    net::post(body_bytes <= kLargeBodyBytes ? *bodies_ : *large_bodies_, std::move(task));
  }

  absl::Status Listen(const std::string& address) {
    MSQ_ASSIGN_OR_RETURN(const HostPort where, ParseHostPort(address));
    error_code error;
    tcp::resolver resolver(io_);
    const auto results = resolver.resolve(where.host, std::to_string(where.port),
                                          tcp::resolver::passive | tcp::resolver::numeric_service, error);
    if (error) return Unavailable("host '", where.host, "' is unknown: ", error.message());
    std::vector<tcp::endpoint> endpoints(results.begin(), results.end());
    // A name may stand for both protocols; clients that know only one know IPv4.
    std::stable_partition(endpoints.begin(), endpoints.end(), [](const auto& one) { return one.address().is_v4(); });
    for (const tcp::endpoint& endpoint : endpoints) {
      error = ListenAt(endpoint);
      if (!error) return absl::OkStatus();
      if (error == net::error::address_in_use) break;
    }
    return Unavailable(Cause(error));
  }

  // SO_REUSEADDR lets a restarted daemon have its port back; it does not let two share one.
  error_code ListenAt(const tcp::endpoint& endpoint) {
    error_code error, ignored;
    acceptor_.close(ignored);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(net::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(net::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    return error;
  }

  void Accept() {
    acceptor_.async_accept(net::make_strand(io_), [this](error_code error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (!error) {
        Admit(std::move(socket));
        return Accept();
      }
      retry_.expires_after(kAcceptRetryDelay);  // out of file descriptors, most likely
      retry_.async_wait([this](error_code cancelled) {
        if (!cancelled) Accept();
      });
    });
  }

  void Admit(tcp::socket socket) {
    if (state_->stopping || !MakeRoom(socket.native_handle())) return;  // closes it
    tls_ ? ServeTlsClient(state_, std::move(socket), *tls_) : ServeClient(state_, std::move(socket));
  }

  // For one more, if need be at the cost of the one whose client has been silent for longest.
  bool MakeRoom(int descriptor) {
    std::shared_ptr<WebConnection> longest_silent;  // released outside the lock, which its end takes
    {
      std::lock_guard lock(state_->mutex);
      auto& connections = state_->connections;
      if (connections.size() < state_->options.max_connections && !IsInReserve(descriptor, kHttpReserve)) return true;
      const auto it = std::min_element(connections.begin(), connections.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
      if (it == connections.end() || it->second == absl::InfiniteFuture()) return false;
      it->second = absl::InfiniteFuture();
      longest_silent = it->first->weak_from_this().lock();
    }
    if (longest_silent != nullptr) longest_silent->Close(WebConnection::If::kWaiting);  // else it is closing already
    return true;
  }

  void CloseConnections(WebConnection::If state) {
    std::vector<std::shared_ptr<WebConnection>> all;  // released outside the lock, which their end takes
    std::lock_guard lock(state_->mutex);
    for (const auto& [connection, ignored] : state_->connections) {
      if (auto alive = connection->weak_from_this().lock()) all.push_back(std::move(alive));
    }
    for (const auto& connection : all) connection->Close(state);
  }

  void RunThread() {
    while (true) {
      try {
        io_.run();
        return;
      } catch (const std::exception& error) {  // no memory for a body: its connection is gone, the others go on
        LogError("web server: ", std::string(error.what()));
      }
    }
  }

  const int threads_wanted_;
  const std::shared_ptr<WebServerState> state_ = std::make_shared<WebServerState>();
  std::optional<net::ssl::context> tls_;
  net::io_context io_;
  // Answers may come when nothing else is left to do.
  net::executor_work_guard<net::io_context::executor_type> work_{io_.get_executor()};
  net::strand<net::io_context::executor_type> strand_{io_.get_executor()};
  tcp::acceptor acceptor_{strand_};
  net::steady_timer retry_{strand_};
  int port_ = 0;
  std::vector<std::thread> threads_;
  std::optional<net::thread_pool> bodies_, large_bodies_;
  std::unordered_map<uint64_t, std::shared_ptr<WebConnection>> abandoned_;  // destroyed before io_
};

WebServer::WebServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebServer::~WebServer() = default;

absl::StatusOr<std::unique_ptr<WebServer>> WebServer::Start(Options options, Handler handler) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
  MSQ_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<WebServer>(new WebServer(std::move(impl)));
}

int WebServer::port() const {
  return impl_->port();
}
void WebServer::Stop(absl::Duration grace) {
  impl_->Stop(grace);
}

}  // namespace msq::server

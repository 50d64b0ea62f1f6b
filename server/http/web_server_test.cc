#include "server/http/web_server.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include "absl/time/clock.h"
#include "base/status.h"
#include "server/testing/raw_http_client.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Client = testing::RawHttpClient;
using testing::Exchange;

// Answers with what it got.
void Echo(const std::shared_ptr<WebExchange>& exchange) {
  const WebRequest& request = exchange->request();
  exchange->Respond({200,
                     {{"Content-Type", "text/plain"}},
                     request.method + "|" + request.path + "|" + request.query + "|" + request.body});
}

class WebServerTest : public ::testing::Test {
 protected:
  WebServerTest() {
    options_.address = "127.0.0.1:0";
    options_.max_body_bytes = 1000;
  }
  absl::Status Start(WebServer::Handler handler = Echo) {
    MSQ_ASSIGN_OR_RETURN(server_, WebServer::Start(options_, std::move(handler)));
    return absl::OkStatus();
  }
  int port() const { return server_->port(); }

  WebServer::Options options_;
  std::unique_ptr<WebServer> server_;
};

TEST_F(WebServerTest, HandsOverRequestsAndWritesAnswers) {
  ASSERT_TRUE(Start().ok());
  std::string answer = Exchange(port(), "GET /a%20b/c?x=%31 HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nGET|/a%20b/c|x=%31|<closed>"));
  answer = Exchange(port(), "POST http://host:80/p HTTP/1.1\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_THAT(answer, EndsWith("POST|/p||abc<closed>"));
  answer = Exchange(port(),
                    "PUT /p HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
  EXPECT_THAT(answer, EndsWith("PUT|/p||abc<closed>"));
  answer = Exchange(port(), "HEAD /p HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 9\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n<closed>"));
}

TEST_F(WebServerTest, HeadersAreFoundWhateverTheirCase) {
  ASSERT_TRUE(Start([](const auto& exchange) {
                exchange->Respond({299,
                                   {{"X-Back", std::string(exchange->request().Header("x-THERE"))}},
                                   std::string(exchange->request().Header("absent"))});
              }).ok());
  const std::string answer = Exchange(port(), "GET / HTTP/1.0\r\nX-There: 1%41\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 299 Unknown\r\n"));
  EXPECT_THAT(answer, HasSubstr("X-Back: 1%41\r\n"));
}

TEST_F(WebServerTest, ConnectionsAreKeptAndPipelined) {
  ASSERT_TRUE(Start().ok());
  Client client(port());
  client.Send("GET /1 HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("GET|/1||"), HasSubstr("200 OK"));
  client.Send("GET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string rest = client.ReadAll();
  EXPECT_THAT(rest, HasSubstr("GET|/2||HTTP/1.1 200 OK"));
  EXPECT_THAT(rest, EndsWith("GET|/3||<closed>"));
}

TEST_F(WebServerTest, ExpectContinueIsAnswered) {
  ASSERT_TRUE(Start().ok());
  Client client(port());
  client.Send("POST / HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ok");
  EXPECT_THAT(client.ReadAll(), EndsWith("POST|/||ok<closed>"));
}

TEST_F(WebServerTest, WhatIsTooLargeIsRefusedAndTheAnswerReachesTheClient) {
  ASSERT_TRUE(Start().ok());
  const std::string large(4 << 20, 'x');
  std::string answer = Exchange(port(), "POST / HTTP/1.1\r\nContent-Length: 4194304\r\n\r\n" + large);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 Payload Too Large\r\n"));
  EXPECT_THAT(answer, EndsWith("the body is larger than 1000 bytes\n<closed>"));
  answer =
      Exchange(port(), "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n" + large + "\r\n0\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 "));
  answer = Exchange(port(), "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 "));
  answer = Exchange(port(), "GET / HTTP/1.1\r\nX: " + large.substr(0, 64 << 10) + "\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 431 "));
  answer =
      Exchange(port(), "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n" + large.substr(0, 1000));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
}

TEST_F(WebServerTest, WhatIsNoHttpOrNotSupportedIsRefused) {
  options_.error_page = [](int status, const std::string& message) {
    return WebResponse{status, {}, "<" + message + ">"};
  };
  ASSERT_TRUE(Start().ok());
  EXPECT_THAT(Exchange(port(), "nonsense\r\n\r\n"), HasSubstr("HTTP/1.1 400 Bad Request"));
  EXPECT_THAT(Exchange(port(), "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
              StartsWith("HTTP/1.1 400 "));
  std::string answer = Exchange(port(), "POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 415 "));
  EXPECT_THAT(answer, EndsWith("<a body in Content-Encoding 'gzip' is not supported><closed>"));
  answer = Exchange(port(), "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 501 "));
}

TEST_F(WebServerTest, ExceptionsAndForgottenExchangesAreServerErrors) {
  ASSERT_TRUE(Start([](const std::shared_ptr<WebExchange>& exchange) {
                if (exchange->request().path == "/throw") throw std::runtime_error("oh");
                if (exchange->request().path == "/throw7") throw 7;
              }).ok());
  for (const char* path : {"/throw", "/throw7", "/drop"}) {
    const std::string request = std::string("GET ") + path + " HTTP/1.1\r\nConnection: close\r\n\r\n";
    EXPECT_THAT(Exchange(port(), request), StartsWith("HTTP/1.1 500 ")) << path;
  }
  EXPECT_THAT(Exchange(port(), "GET /throw HTTP/1.1\r\nConnection: close\r\n\r\n"),
              HasSubstr("the request failed: oh"));
}

TEST_F(WebServerTest, SlowClientsAreClosedAndOthersServed) {
  options_.threads = 1;
  options_.step_timeout = absl::Milliseconds(300);
  ASSERT_TRUE(Start().ok());
  Client silent(port()), slow_headers(port()), slow_body(port());
  slow_headers.Send("GET / HT");
  slow_body.Send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nab");
  EXPECT_THAT(Exchange(port(), "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(silent.ReadAll(), "<closed>");
  EXPECT_THAT(slow_headers.ReadAll(), Not(HasSubstr("200")));
  EXPECT_THAT(slow_body.ReadAll(), Not(HasSubstr("200")));
}

TEST_F(WebServerTest, AnswersAreHeldUntilTheyAreSentOrNotReadInTime) {
  options_.answer_timeout = absl::Milliseconds(300);
  std::atomic<std::weak_ptr<const void>> held;
  ASSERT_TRUE(Start([&held](const std::shared_ptr<WebExchange>& exchange) {
                const auto hold = std::make_shared<int>();
                held = hold;
                const size_t bytes = exchange->request().path == "/large" ? 64 << 20 : 10;  // more than sockets buffer
                exchange->Respond({200, {}, std::string(bytes, 'x'), hold});
              }).ok());
  Client client(port());
  client.Send("GET / HTTP/1.1\r\n\r\n");
  client.ReadUntil("xxxxxxxxxx");
  EXPECT_TRUE(testing::Eventually([&] { return held.load().expired(); }));
  client.Send("GET /large HTTP/1.1\r\n\r\n");
  client.ReadUntil("xxxxx");
  EXPECT_FALSE(held.load().expired());
  EXPECT_TRUE(testing::Eventually([&] { return held.load().expired(); }));
  EXPECT_LT(client.ReadAll().size(), size_t{64} << 20);
}

TEST_F(WebServerTest, ConnectionsAndBytesUnderWayAreBounded) {
  options_.max_connections = 2;
  options_.max_total_body_bytes = 1500;
  std::promise<std::shared_ptr<WebExchange>> held;
  ASSERT_TRUE(Start([&held](const std::shared_ptr<WebExchange>& exchange) {
                exchange->request().path == "/hold" ? held.set_value(exchange) : Echo(exchange);
              }).ok());
  Client first(port());
  first.Send("POST /hold HTTP/1.1\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  const std::shared_ptr<WebExchange> exchange = held.get_future().get();
  {
    Client second(port());
    second.Send("POST / HTTP/1.1\r\nContent-Length: 501\r\n\r\n" + std::string(501, 'x'));
    EXPECT_THAT(second.ReadUntil("way"), StartsWith("HTTP/1.1 503 "));
  }
  exchange->Respond({});
  EXPECT_THAT(first.ReadAll(), StartsWith("HTTP/1.1 200 "));
  std::string answer;  // both limits are free again, as soon as the server noticed
  for (int i = 0; i < 1000 && answer.find("200") == answer.npos; ++i) {
    answer = Exchange(port(),
                      "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  }
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
}

TEST_F(WebServerTest, ANewConnectionTakesThePlaceOfTheLongestSilent) {
  options_.max_connections = 3;
  std::promise<std::shared_ptr<WebExchange>> held;
  ASSERT_TRUE(Start([&held](const std::shared_ptr<WebExchange>& exchange) {
                exchange->request().path == "/hold" ? held.set_value(exchange) : Echo(exchange);
              }).ok());
  Client busy(port());
  busy.Send("GET /hold HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::shared_ptr<WebExchange> exchange = held.get_future().get();
  Client used(port());
  used.Send("GET /1 HTTP/1.1\r\n\r\n");
  used.ReadUntil("GET|/1||");
  Client silent(port());
  used.Send("GET /2 HTTP/1.1\r\n\r\n");
  used.ReadUntil("GET|/2||");
  EXPECT_THAT(Exchange(port(), "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(silent.ReadAll(), StartsWith("<"));
  used.Send("GET /3 HTTP/1.1\r\n\r\n");
  EXPECT_THAT(used.ReadUntil("GET|/3||"), HasSubstr("200 OK"));
  exchange->Respond({});
  EXPECT_THAT(busy.ReadAll(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(WebServerTest, ABodyThatDoesNotComeKeepsNobodyOut) {
  options_.max_connections = 1;
  ASSERT_TRUE(Start().ok());
  Client stalled(port());
  stalled.Send("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
  stalled.ReadUntil("Continue");
  stalled.Send("ab");
  EXPECT_THAT(Exchange(port(), "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(stalled.ReadAll(), Not(HasSubstr("200")));
}

TEST_F(WebServerTest, WhereAllAreBusyANewConnectionIsClosed) {
  options_.max_connections = 1;
  std::promise<std::shared_ptr<WebExchange>> held;
  ASSERT_TRUE(Start([&held](const std::shared_ptr<WebExchange>& exchange) { held.set_value(exchange); }).ok());
  Client busy(port());
  busy.Send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::shared_ptr<WebExchange> exchange = held.get_future().get();
  EXPECT_THAT(Client(port()).ReadAll(), StartsWith("<"));
  exchange->Respond({});
  EXPECT_THAT(busy.ReadAll(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(WebServerTest, TheFirstRequestHasLessTimeThanTheNext) {
  options_.first_timeout = absl::Milliseconds(300);
  ASSERT_TRUE(Start().ok());
  Client silent(port()), used(port());
  used.Send("GET /1 HTTP/1.1\r\n\r\n");
  used.ReadUntil("GET|/1||");
  const absl::Time start = absl::Now();
  EXPECT_EQ(silent.ReadAll(), "<closed>");
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  absl::SleepFor(absl::Milliseconds(500));
  used.Send("GET /2 HTTP/1.1\r\n\r\n");
  EXPECT_THAT(used.ReadUntil("GET|/2||"), HasSubstr("200 OK"));
}

TEST_F(WebServerTest, HeadsAreCheckedBeforeABodyIsRead) {
  options_.check_head = [](const WebRequest& head) -> std::optional<WebResponse> {
    if (head.Header("Authorization") == "yes") return std::nullopt;
    return WebResponse{401, {}, head.path + head.body + "?"};
  };
  ASSERT_TRUE(Start().ok());
  const std::string head = "POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 900\r\n";
  for (int i = 0; i < 20; ++i) {
    const std::string answer = Exchange(port(), head + "\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 401 "));
    EXPECT_THAT(answer, EndsWith("\r\n\r\n/p?<closed>"));
  }
  const std::string good = head + "Connection: close\r\nAuthorization: yes\r\n\r\n" + std::string(900, 'x');
  EXPECT_THAT(Exchange(port(), good), HasSubstr("200 OK"));
  EXPECT_THAT(Exchange(port(), "GET / HTTP/1.0\r\n\r\n"), HasSubstr("200 OK"));  // has none
}

TEST_F(WebServerTest, LargeBodiesHoldUpNeitherSmallerOnesNorProbes) {
  options_.threads = 1;
  options_.max_body_bytes = 4 << 20;
  std::promise<void> begun, go_on;
  ASSERT_TRUE(Start([&](const std::shared_ptr<WebExchange>& exchange) {
                if (exchange->request().body.size() > (1 << 20)) {
                  begun.set_value();
                  go_on.get_future().wait();
                }
                exchange->Respond({200, {}, std::to_string(exchange->request().body.size())});
              }).ok());
  const auto post = [](size_t size) {
    return "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
           std::string(size, 'x');
  };
  Client large(port());
  large.Send(post(2 << 20));
  begun.get_future().wait();
  EXPECT_THAT(Exchange(port(), "GET / HTTP/1.0\r\n\r\n"), EndsWith("\r\n\r\n0<closed>"));
  EXPECT_THAT(Exchange(port(), post(100)), EndsWith("\r\n\r\n100<closed>"));
  EXPECT_THAT(Exchange(port(), post(100000)), EndsWith("\r\n\r\n100000<closed>"));
  go_on.set_value();
  EXPECT_THAT(large.ReadAll(), EndsWith("\r\n\r\n2097152<closed>"));
}

TEST_F(WebServerTest, BodiesThatAreOnlyAnnouncedTakeNoRoom) {
  options_.max_total_body_bytes = 1000;
  ASSERT_TRUE(Start().ok());
  Client announced(port()), chunked(port());
  for (Client* silent : {&announced, &chunked}) {
    const std::string size = silent == &chunked ? "Transfer-Encoding: chunked" : "Content-Length: 1000";
    silent->Send("POST / HTTP/1.1\r\nExpect: 100-continue\r\n" + size + "\r\n\r\n");
    EXPECT_EQ(silent->ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  }
  const std::string answer =
      Exchange(port(), "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
}

TEST_F(WebServerTest, TellsWhenTheClientGoesAway) {
  std::promise<void> gone;
  std::shared_ptr<WebExchange> kept;
  ASSERT_TRUE(Start([&](const std::shared_ptr<WebExchange>& exchange) {
                kept = exchange;
                exchange->OnDisconnect([&gone] { gone.set_value(); });
              }).ok());
  Client client(port());
  client.Send("GET / HTTP/1.1\r\n\r\n");
  client.Close();
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  kept->Respond({});
}

TEST_F(WebServerTest, StopAnswersWhatIsUnderWayAndClosesTheRestAtOnce) {
  std::promise<std::shared_ptr<WebExchange>> held;
  ASSERT_TRUE(Start([&held](const std::shared_ptr<WebExchange>& exchange) {
                exchange->request().path == "/hold" ? held.set_value(exchange) : Echo(exchange);
              }).ok());
  Client idle(port()), used(port()), busy(port());
  used.Send("GET /u HTTP/1.1\r\n\r\n");
  used.ReadUntil("GET|/u||");
  busy.Send("GET /hold HTTP/1.1\r\n\r\n");
  const std::shared_ptr<WebExchange> exchange = held.get_future().get();
  auto stopped = std::async(std::launch::async, [this] { server_->Stop(absl::Seconds(20)); });
  EXPECT_THAT(idle.ReadAll(), StartsWith("<"));
  EXPECT_THAT(used.ReadAll(), StartsWith("<"));
  EXPECT_NE(stopped.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  exchange->Respond({200, {}, "late"});
  const std::string answer = busy.ReadAll();
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("late<closed>"));
  stopped.get();
  EXPECT_FALSE(Client(port()).connected());
}

TEST_F(WebServerTest, StopIsQuickAndBoundedByGrace) {
  std::promise<std::shared_ptr<WebExchange>> held;
  ASSERT_TRUE(Start([&held](const std::shared_ptr<WebExchange>& exchange) { held.set_value(exchange); }).ok());
  Client idle(port()), busy(port());
  busy.Send("GET / HTTP/1.1\r\n\r\n");
  std::shared_ptr<WebExchange> exchange = held.get_future().get();
  const absl::Time start = absl::Now();
  server_->Stop(absl::Milliseconds(50));
  EXPECT_LT(absl::Now() - start, absl::Seconds(2));
  server_.reset();
  EXPECT_THAT(busy.ReadAll(), Not(HasSubstr("HTTP")));
  exchange->Respond({});  // goes nowhere
  exchange.reset();
}

TEST_F(WebServerTest, TakenPortsUnknownHostsAndBadAddressesAreErrorsWithTheirCause) {
  ASSERT_TRUE(Start().ok());
  const std::unique_ptr<WebServer> first = std::move(server_);
  options_.address = "127.0.0.1:" + std::to_string(first->port());
  absl::Status status = Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(status), "cannot listen on " + options_.address + ": the port is in use");
  options_.address = "no.such.host.invalid:0";
  status = Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr("host 'no.such.host.invalid' is unknown"));
  options_.address = "192.0.2.1:0";
  EXPECT_THAT(Message(Start()), HasSubstr("the address is not this machine's"));
  for (const char* address : {"", "80", ":80", "h:", "h:x", "h:70000"}) {
    options_.address = address;
    EXPECT_EQ(Start().code(), absl::StatusCode::kInvalidArgument) << address;
  }
  options_.address = "localhost:0";
  EXPECT_TRUE(Start().ok());
  EXPECT_THAT(Exchange(port(), "GET / HTTP/1.0\r\n\r\n"), HasSubstr("200 OK"));
}

class WebServerTlsTest : public WebServerTest {
 protected:
  WebServerTlsTest() {
    std::string name = (std::filesystem::temp_directory_path() / "msq_tls_XXXXXX").string();
    folder_ = mkdtemp(name.data());
    tls_ = {folder_ + "/cert.pem", folder_ + "/key.pem", ""};
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost"
        " -out " +
        tls_.certificate_file + " -keyout " + tls_.key_file + " 2>/dev/null";
    made_ = std::system(command.c_str()) == 0;
    options_.tls = tls_;
  }
  ~WebServerTlsTest() override { std::filesystem::remove_all(folder_); }

  // The answer, or what went wrong. Resumes the session of the last call, where there was one.
  std::string Get(bool with_certificate) {
    namespace ssl = boost::asio::ssl;
    boost::system::error_code error;
    ssl::context context(ssl::context::tls_client);
    context.load_verify_file(tls_.certificate_file, error);
    context.set_verify_mode(ssl::verify_peer);
    if (with_certificate) {
      context.use_certificate_chain_file(tls_.certificate_file, error);
      context.use_private_key_file(tls_.key_file, ssl::context::pem, error);
    }
    boost::asio::io_context io;
    ssl::stream<boost::asio::ip::tcp::socket> stream(io, context);
    stream.lowest_layer().connect({boost::asio::ip::address_v4::loopback(), static_cast<uint16_t>(port())}, error);
    if (session_ != nullptr) SSL_set_session(stream.native_handle(), session_.get());
    stream.handshake(ssl::stream_base::client, error);
    if (error) return error.message();
    resumed_ = SSL_session_reused(stream.native_handle()) == 1;
    authorities_named_ = sk_X509_NAME_num(SSL_get_client_CA_list(stream.native_handle()));
    boost::asio::write(stream, boost::asio::buffer(std::string("GET /tls HTTP/1.1\r\nConnection: close\r\n\r\n")),
                       error);
    std::string answer;
    boost::asio::read(stream, boost::asio::dynamic_buffer(answer), error);
    session_.reset(SSL_get1_session(stream.native_handle()));
    SSL_set_shutdown(stream.native_handle(), SSL_SENT_SHUTDOWN);  // else its end spoils the session
    return answer.empty() ? error.message() : answer;
  }

  std::string folder_;
  WebServer::Tls tls_;
  bool made_ = false;
  std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session_{nullptr, SSL_SESSION_free};
  bool resumed_ = false;
  int authorities_named_ = 0;
};

TEST_F(WebServerTlsTest, ServesOverTls) {
  ASSERT_TRUE(made_) << "openssl could not make a certificate";
  ASSERT_TRUE(Start().ok());
  EXPECT_THAT(Get(false), EndsWith("GET|/tls||"));
  EXPECT_THAT(Exchange(port(), "GET / HTTP/1.1\r\n\r\n"), Not(HasSubstr("200")));
}

TEST_F(WebServerTlsTest, AsksClientsForCertificates) {
  ASSERT_TRUE(made_);
  options_.tls->client_ca_file = tls_.certificate_file;
  ASSERT_TRUE(Start().ok());
  EXPECT_THAT(Get(true), EndsWith("GET|/tls||"));
  EXPECT_FALSE(resumed_);
  EXPECT_EQ(authorities_named_, 1);
  EXPECT_THAT(Get(true), EndsWith("GET|/tls||"));
  EXPECT_TRUE(resumed_);
  session_.reset();
  EXPECT_THAT(Get(false), Not(HasSubstr("GET|")));
}

TEST_F(WebServerTlsTest, UnusableFilesAreNamed) {
  ASSERT_TRUE(made_);
  for (std::string WebServer::Tls::*file :
       {&WebServer::Tls::certificate_file, &WebServer::Tls::key_file, &WebServer::Tls::client_ca_file}) {
    options_.tls = tls_;
    (*options_.tls).*file = folder_ + "/absent.pem";
    const absl::Status status = Start();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(status), HasSubstr("absent.pem: "));
  }
}

}  // namespace
}  // namespace msq::server

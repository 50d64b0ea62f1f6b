// An HTTP client for tests that sends any bytes, right or wrong, and reads what comes.
#pragma once

#include <string>
#include <string_view>

namespace msq::server::testing {

// One connection to a port of this machine. Reading gives up after 20 s.
class RawHttpClient {
 public:
  explicit RawHttpClient(int port);
  ~RawHttpClient();
  RawHttpClient(const RawHttpClient&) = delete;
  RawHttpClient& operator=(const RawHttpClient&) = delete;

  bool connected() const { return connected_; }
  void Close();
  bool Send(std::string_view bytes);
  // Until the text appears; what came ends with "<closed>" when the server closes, "<error>" when it resets or is silent.
  std::string ReadUntil(std::string_view text);
  std::string ReadAll() { return ReadUntil(""); }

 private:
  int socket_;
  bool connected_ = false;
};

// Sends a request on a connection of its own and reads until the server closes it.
std::string Exchange(int port, std::string_view request);

}  // namespace msq::server::testing

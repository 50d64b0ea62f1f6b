#include "server/testing/raw_http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace msq::server::testing {

RawHttpClient::RawHttpClient(int port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{20, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

RawHttpClient::~RawHttpClient() {
  Close();
}

void RawHttpClient::Close() {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
}

bool RawHttpClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string RawHttpClient::ReadUntil(std::string_view text) {
  std::string all;
  std::array<char, 4096> buffer;
  while (text.empty() || all.find(text) == all.npos) {
    const ssize_t got = recv(socket_, buffer.data(), buffer.size(), 0);
    if (got < 0) return all + "<error>";
    if (got == 0) return all + "<closed>";
    all.append(buffer.data(), static_cast<size_t>(got));
  }
  return all;
}

std::string Exchange(int port, std::string_view request) {
  RawHttpClient client(port);
  client.Send(request);
  return client.ReadAll();
}

}  // namespace msq::server::testing

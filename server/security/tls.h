// TLS for gRPC from PEM files, checked here: gRPC takes anything and then lets every handshake fail without a word.
#pragma once

#include <memory>
#include <string>

#include <grpcpp/security/server_credentials.h>

#include "absl/status/statusor.h"

namespace msq::server {

// Paths of PEM files; all empty for plain text.
struct TlsFiles {
  std::string certificate;  // the server's, then those between it and the root
  std::string key;          // of the first certificate, without a passphrase
  std::string client_ca;    // clients must show a certificate that one of these issued; empty: they need none

  bool enabled() const { return !certificate.empty() || !key.empty() || !client_ca.empty(); }
};

// Credentials for ServerBuilder::AddListeningPort. When this succeeds, the files are good for another server too.
// Errors (NOT_FOUND, INVALID_ARGUMENT) name the file and the cause: not PEM, expired, key of another certificate.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> CreateServerCredentials(const TlsFiles& files);

}  // namespace msq::server

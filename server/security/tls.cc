#include "server/security/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <utility>
#include <vector>

#include "base/status.h"
#include "server/security/credential_file.h"

namespace msq::server {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;
using Certificates = std::vector<Owned<X509>>;

// What OpenSSL said last, which clears it.
std::string OpenSslError() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  const std::string text = reason == nullptr ? "unknown error" : reason;
  ERR_clear_error();
  return text;
}

Owned<BIO> Reader(const std::string& bytes) {
  return Owned<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

// What a function prints into a BIO.
template <typename Print>
std::string Printed(const Print& print) {
  const Owned<BIO> text(BIO_new(BIO_s_mem()));
  print(text.get());
  char* data = nullptr;
  const auto size = BIO_get_mem_data(text.get(), &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

std::string Subject(const X509* certificate) {
  return Printed([&](BIO* out) { X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE); });
}

std::string Text(const ASN1_TIME* time) {
  return Printed([&](BIO* out) { ASN1_TIME_print(out, time); });
}

absl::Status CheckValidNow(const X509* certificate) {
  const ASN1_TIME* begin = X509_get0_notBefore(certificate);
  const ASN1_TIME* end = X509_get0_notAfter(certificate);
  if (X509_cmp_current_time(end) <= 0) {
    return InvalidArgument("certificate '", Subject(certificate), "' expired on ", Text(end));
  }
  if (X509_cmp_current_time(begin) >= 0) {
    return InvalidArgument("certificate '", Subject(certificate), "' is not valid before ", Text(begin));
  }
  return absl::OkStatus();
}

// All certificates of a PEM text, at least one, each valid now.
absl::StatusOr<Certificates> ParseCertificates(const std::string& pem) {
  const Owned<BIO> reader = Reader(pem);
  Certificates certificates;
  ERR_clear_error();
  while (X509* certificate = PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate);
    MSQ_RETURN_IF_ERROR(CheckValidNow(certificate));
  }
  // After the last one OpenSSL looks for a further beginning and finds none.
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return InvalidArgument("certificate ", certificates.size() + 1, " cannot be read: ", OpenSslError());
  }
  ERR_clear_error();
  if (certificates.empty()) return InvalidArgument("holds no certificate in PEM form");
  return certificates;
}

absl::StatusOr<Owned<EVP_PKEY>> ParseKey(const std::string& pem) {
  const Owned<BIO> reader = Reader(pem);
  ERR_clear_error();
  // Asked for a passphrase when there is one; the default would ask on the terminal.
  bool encrypted = false;
  const auto no_passphrase = [](char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  };
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(reader.get(), nullptr, no_passphrase, &encrypted));
  if (key != nullptr) return key;
  const std::string error = OpenSslError();
  if (encrypted) return InvalidArgument("is encrypted; give a key without a passphrase");
  return InvalidArgument("holds no private key in PEM form: ", error);
}

absl::StatusOr<grpc::SslServerCredentialsOptions::PemKeyCertPair> ReadIdentity(const TlsFiles& files) {
  MSQ_ASSIGN_OR_RETURN(std::string certificate_pem, ReadCredentialFile(files.certificate, FileContent::kPublic));
  MSQ_ASSIGN_OR_RETURN(std::string key_pem, ReadCredentialFile(files.key, FileContent::kSecret));
  const auto certificates = ParseCertificates(certificate_pem);
  if (!certificates.ok()) return WithContext(certificates.status(), files.certificate);
  const auto key = ParseKey(key_pem);
  if (!key.ok()) return WithContext(key.status(), files.key);
  if (X509_check_private_key(certificates->front().get(), key->get()) != 1) {
    ERR_clear_error();
    return InvalidArgument(files.key, ": is not the key of the certificate in ", files.certificate);
  }
  return grpc::SslServerCredentialsOptions::PemKeyCertPair{std::move(key_pem), std::move(certificate_pem)};
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> CreateServerCredentials(const TlsFiles& files) {
  if (!files.enabled()) return grpc::InsecureServerCredentials();
  if (files.certificate.empty() || files.key.empty()) {
    return InvalidArgument("TLS needs a certificate and its key; one of them is not given");
  }
  const bool mutual = !files.client_ca.empty();
  grpc::SslServerCredentialsOptions options(mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                                   : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  MSQ_ASSIGN_OR_RETURN(auto identity, ReadIdentity(files));
  options.pem_key_cert_pairs.push_back(std::move(identity));
  if (mutual) {
    MSQ_ASSIGN_OR_RETURN(options.pem_root_certs, ReadCredentialFile(files.client_ca, FileContent::kPublic));
    const auto authorities = ParseCertificates(options.pem_root_certs);
    if (!authorities.ok()) return WithContext(authorities.status(), files.client_ca);
  }
  return grpc::SslServerCredentials(options);
}

}  // namespace msq::server

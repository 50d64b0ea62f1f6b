#include "server/testing/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <atomic>

#include "base/check.h"

namespace msq::server::testing {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

template <typename Write>
std::string Pem(const Write& write) {
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  MSQ_CHECK(write(out.get()) == 1);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<size_t>(size)};
}

std::string CertificatePem(X509* certificate) {
  return Pem([&](BIO* out) { return PEM_write_bio_X509(out, certificate); });
}

void AddExtension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  MSQ_CHECK(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

// Unsigned as yet; the issuer may be the certificate itself (null).
Owned<X509> MakeCertificate(const std::string& name, EVP_PKEY* key, X509* issuer, int begin_s, int end_s) {
  static std::atomic<int> serial{1};
  Owned<X509> certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), begin_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), end_s);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                             0);
  X509* of = issuer == nullptr ? certificate.get() : issuer;
  MSQ_CHECK(X509_set_issuer_name(certificate.get(), X509_get_subject_name(of)) == 1);
  MSQ_CHECK(X509_set_pubkey(certificate.get(), key) == 1);
  if (issuer == nullptr) {
    AddExtension(certificate.get(), of, NID_basic_constraints, "critical,CA:TRUE");
  } else {
    AddExtension(certificate.get(), of, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  }
  return certificate;
}

}  // namespace

struct TestAuthority::Impl {
  Owned<EVP_PKEY> key;
  Owned<X509> certificate;
  std::string certificate_pem;
};

TestAuthority::TestAuthority() : impl_(std::make_unique<Impl>()) {
  impl_->key.reset(EVP_EC_gen("P-256"));
  impl_->certificate = MakeCertificate("msq test authority", impl_->key.get(), nullptr, -7200, 7200);
  MSQ_CHECK(X509_sign(impl_->certificate.get(), impl_->key.get(), EVP_sha256()) > 0);
  impl_->certificate_pem = CertificatePem(impl_->certificate.get());
}

TestAuthority::~TestAuthority() = default;

const std::string& TestAuthority::certificate_pem() const {
  return impl_->certificate_pem;
}

TestIdentity TestAuthority::Issue(const std::string& name, int begin_s, int end_s) const {
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> certificate = MakeCertificate(name, key.get(), impl_->certificate.get(), begin_s, end_s);
  MSQ_CHECK(X509_sign(certificate.get(), impl_->key.get(), EVP_sha256()) > 0);
  return {CertificatePem(certificate.get()), Pem([&](BIO* out) {
            return PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

std::string EncryptKey(const std::string& key_pem, const std::string& passphrase) {
  const Owned<BIO> in(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  return Pem([&](BIO* out) {
    return PEM_write_bio_PrivateKey(out, key.get(), EVP_aes_128_cbc(),
                                    reinterpret_cast<const unsigned char*>(passphrase.data()),
                                    static_cast<int>(passphrase.size()), nullptr, nullptr);
  });
}

}  // namespace msq::server::testing

#include "server/security/sha256.h"

#include <openssl/evp.h>

namespace msq::server {
namespace {

// Fetched once: OpenSSL looks an algorithm up under a lock each time it is asked for by EVP_sha256().
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256()
    : context_(EVP_MD_CTX_new()),
      ok_(context_ != nullptr && Algorithm() != nullptr &&
          EVP_DigestInit_ex2(context_.get(), Algorithm(), nullptr) == 1) {}

void Sha256::Add(std::string_view bytes) {
  ok_ = ok_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
}

absl::StatusOr<Sha256Digest> Sha256::Finish() {
  Sha256Digest digest;
  unsigned size = 0;
  if (!ok_ || EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1 || size != digest.size()) {
    return absl::InternalError("OpenSSL cannot compute a SHA-256 digest");
  }
  return digest;
}

}  // namespace msq::server

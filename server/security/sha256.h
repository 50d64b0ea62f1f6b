// SHA-256 by OpenSSL.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"

struct evp_md_ctx_st;

namespace msq::server {

using Sha256Digest = std::array<uint8_t, 32>;

// The digest of all bytes added, in order. An error inside OpenSSL shows in Finish, as INTERNAL. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  void Add(std::string_view bytes);
  absl::StatusOr<Sha256Digest> Finish();  // once, last

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
  bool ok_;
};

}  // namespace msq::server

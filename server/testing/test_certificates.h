// An authority that issues certificates for tests, in memory.
#pragma once

#include <memory>
#include <string>

namespace msq::server::testing {

struct TestIdentity {
  std::string certificate_pem;
  std::string key_pem;
};

// Its certificates are for "localhost" and 127.0.0.1.
class TestAuthority {
 public:
  TestAuthority();
  ~TestAuthority();

  const std::string& certificate_pem() const;
  // Valid from `begin_s` to `end_s`, in seconds from now.
  TestIdentity Issue(const std::string& name, int begin_s = -3600, int end_s = 3600) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The same key, encrypted by a passphrase.
std::string EncryptKey(const std::string& key_pem, const std::string& passphrase);

}  // namespace msq::server::testing

#include "server/security/sha256.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace msq::server {
namespace {

std::string Hex(Sha256& hash) {
  const auto digest = hash.Finish();
  if (!digest.ok()) return digest.status().ToString();
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest->data()), digest->size()});
}

// FIPS 180-2, appendix B.
TEST(Sha256Test, EqualsTheStandardsExamples) {
  Sha256 empty, parts;
  EXPECT_EQ(Hex(empty), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  parts.Add("a");
  parts.Add("");
  parts.Add("bc");
  EXPECT_EQ(Hex(parts), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace msq::server

// The compression function as FIPS 180-4 section 6.2 states it. Its constants are fraction bits of square and cube roots of
// the first primes, computed here instead of listed.
#include "quantizer/sha256.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace msq::quantizer {
namespace {

struct Constants {
  std::array<uint32_t, 8> initial;
  std::array<uint32_t, 64> rounds;
};

uint32_t FractionBits(long double root) {
  return static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0L);
}

Constants MakeConstants() {
  Constants constants;
  for (int n = 2, count = 0; count < 64; ++n) {
    bool prime = true;
    for (int d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
    if (!prime) continue;
    if (count < 8) constants.initial[count] = FractionBits(std::sqrt(static_cast<long double>(n)));
    constants.rounds[count++] = FractionBits(std::cbrt(static_cast<long double>(n)));
  }
  return constants;
}

void Compress(const Constants& constants, const unsigned char* block, std::array<uint32_t, 8>& hash) {
  std::array<uint32_t, 64> w;
  for (int t = 0; t < 16; ++t) {
    w[t] = uint32_t{block[4 * t]} << 24 | uint32_t{block[4 * t + 1]} << 16 | uint32_t{block[4 * t + 2]} << 8 |
           block[4 * t + 3];
  }
  for (int t = 16; t < 64; ++t) {
    const uint32_t s0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
    const uint32_t s1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
    w[t] = s1 + w[t - 7] + s0 + w[t - 16];
  }
  auto [a, b, c, d, e, f, g, h] = hash;
  for (int t = 0; t < 64; ++t) {
    const uint32_t choose = (e & f) ^ (~e & g), majority = (a & b) ^ (a & c) ^ (b & c);
    const uint32_t t1 =
        h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + choose + constants.rounds[t] + w[t];
    const uint32_t t2 = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + majority;
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const std::array<uint32_t, 8> added = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) hash[i] += added[i];
}

}  // namespace

std::string Sha256Hex(std::string_view bytes) {
  static const Constants constants = MakeConstants();
  std::string padded(bytes);
  padded.push_back('\x80');
  while (padded.size() % 64 != 56) padded.push_back('\0');
  const uint64_t bits = uint64_t{bytes.size()} * 8;
  for (int shift = 56; shift >= 0; shift -= 8) padded.push_back(static_cast<char>(bits >> shift & 255));
  std::array<uint32_t, 8> hash = constants.initial;
  for (size_t at = 0; at < padded.size(); at += 64) {
    Compress(constants, reinterpret_cast<const unsigned char*>(padded.data()) + at, hash);
  }
  std::string hex;
  for (uint32_t word : hash) {
    for (int shift = 28; shift >= 0; shift -= 4) hex.push_back("0123456789abcdef"[word >> shift & 15]);
  }
  return hex;
}

}  // namespace msq::quantizer

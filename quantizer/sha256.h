// SHA-256 of a byte string (FIPS 180-4), for the artifact's provenance.
#pragma once

#include <string>
#include <string_view>

namespace msq::quantizer {

// 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view bytes);

}  // namespace msq::quantizer

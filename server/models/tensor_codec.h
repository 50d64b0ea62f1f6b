// The float edge of a request: wire values to input codes, output integers to FP32. Every conversion
// is numerics/edge.h's, element for element, in loops that the compiler vectorises.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/ir/model.h"

namespace msq::server {

// Turns the wire values of one input, laid out as its description says, into codes in the graph's layout. Immutable.
class InputCodec {
 public:
  // Precondition: for an image the description has one mean and one positive stddev per channel, and a wire layout of
  // NHWC goes with a shape of three dimensions.
  InputCodec(const ir::TensorType& type, const ir::InputDescription& description);

  // The bytes of UINT8 values are the codes already, in their order: EncodeUint8 only copies.
  bool is_identity() const { return identity_; }

  // Spans hold batch * elements values (4 bytes each for FP32, any alignment) and as many codes.
  // A byte is a pixel where the input is an image, else the real number itself.
  void EncodeUint8(std::string_view values, std::span<uint8_t> codes) const;
  // The same for floats, but with `normalized` they are the network's real inputs even where it is an image.
  void EncodeFloat(std::string_view values, bool normalized, std::span<uint8_t> codes) const;

 private:
  struct Channel {
    float mean = 0;
    float stddev = 1;
    uint8_t table[256];  // code of each byte
  };

  void EncodePlane(const float* values, int64_t count, float range, const Channel& channel, uint8_t* codes) const;

  float scale_;
  int zero_point_;
  int bits_;
  float value_range_;
  int64_t planes_;        // channels of an image, else 1
  int64_t plane_size_;    // elements of one plane of one sample
  int64_t pixel_stride_;  // on the wire: distance of neighbours in a plane
  int64_t plane_stride_;  // on the wire: distance of planes
  std::vector<Channel> channels_;
  bool identity_ = false;
};

// The FP32 values of an output: dequantized codes or accumulators, in the graph's order. Precondition: `integers` holds
// batch * type.ByteSize() bytes, `values` batch * elements * 4, any alignment.
void DecodeToFloat(const ir::TensorType& type, std::span<const std::byte> integers, int64_t batch,
                   std::span<std::byte> values);

}  // namespace msq::server

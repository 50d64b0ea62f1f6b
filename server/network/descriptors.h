// The process's file descriptors: how many there are, and that the network never takes the last of them.
#pragma once

#include <cstdint>

namespace msq::server {

// What connections of a kind leave for all else: `most` descriptors, of a small limit one in `part`.
struct DescriptorReserve {
  int64_t most;
  int64_t part;
};
// gRPC's leave room for HTTP's, so that probes get through, and those for what the daemon opens itself.
inline constexpr DescriptorReserve kGrpcReserve{640, 4};
inline constexpr DescriptorReserve kHttpReserve{64, 8};

// Raises the limit (RLIMIT_NOFILE) as far as it may be, 16384 at most: each connection takes memory too. A limit that is
// larger stays as it is.
void RaiseDescriptorLimit();

// Was this descriptor, which has just been opened, one of the reserve? (A new descriptor has the lowest number that is
// free, so there are at least as many others as it says.)
bool IsInReserve(int descriptor, const DescriptorReserve& reserve);

}  // namespace msq::server

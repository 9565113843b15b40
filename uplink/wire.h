// Framing and limits of the link. Not a public header: it shows protobuf to the link's own sources and tests.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "driftloop.pb.h"
#include "uplink/region.h"

namespace driftloop::uplink {

// A peer of another major version is refused with a reason; within one major unknown fields are ignored.
inline constexpr std::uint32_t kProtocolMajor = 1;
inline constexpr std::uint32_t kProtocolMinor = 0;

inline constexpr std::size_t kMaxChunkBytes = 256u << 10;
inline constexpr std::size_t kMaxOffers = 256;        // digests a vehicle may have on offer at one time
inline constexpr std::size_t kEnvelopeBytes = 32768;  // beyond the payload: a full Offer, Want or Receipt
inline constexpr std::size_t kMaxMessageUp = kMaxChunkBytes + kEnvelopeBytes;
inline constexpr std::size_t kMaxMessageDown = kMaxLabelBytes + kEnvelopeBytes;
// ZMTP frame header, CURVE nonce and tag: what each message takes on the wire beyond its own bytes.
inline constexpr std::size_t kFrameOverheadBytes = 33 + 9;

/// Stops protobuf from printing about bytes that it cannot read. Cheap; called before each parse.
void silence_protobuf();

/// One message as the bytes of one ZeroMQ frame.
std::string pack(const v1::Envelope& envelope);
/// False when the bytes are no envelope, or one without a body (a message of a newer minor version).
[[nodiscard]] bool unpack(std::string_view bytes, v1::Envelope& envelope);

}  // namespace driftloop::uplink

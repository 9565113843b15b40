// SHA-256 names: every payload on the link is called by the digest of its bytes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace driftloop::uplink {

inline constexpr std::size_t kDigestBytes = 32;

/// SHA-256 of `bytes` as 64 lower-case hexadecimal characters.
std::string digest_of(std::string_view bytes);

/// The 32 bytes that `hex` writes out. `hex` must be a digest (CheckError otherwise).
std::string raw_digest(std::string_view hex);

/// The hexadecimal form of 32 bytes from the wire; none when it is not 32 bytes.
std::optional<std::string> hex_digest(std::string_view raw);

/// CRC-32 (IEEE 802.3, as in zip and PNG) of `bytes`: finds transfer errors cheaply, proves nothing.
std::uint32_t crc32_of(std::string_view bytes);

}  // namespace driftloop::uplink

#include "uplink/digest.h"

#include <array>

#include "config/check.h"
#include "config/digest.h"

namespace driftloop::uplink {
namespace {

constexpr char kHex[] = "0123456789abcdef";

std::string to_hex(std::string_view raw) {
  std::string hex;
  hex.reserve(raw.size() * 2);
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

unsigned nibble(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  DL_CHECK(c >= 'a' && c <= 'f', c);
  return static_cast<unsigned>(c - 'a' + 10);
}

std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0xEDB88320u : 0u);
    table[i] = value;
  }
  return table;
}

}  // namespace

std::string digest_of(std::string_view bytes) {
  return config::sha256_hex(bytes);
}

std::string raw_digest(std::string_view hex) {
  DL_CHECK(hex.size() == 2 * kDigestBytes, hex);
  std::string raw;
  raw.reserve(kDigestBytes);
  for (std::size_t i = 0; i < hex.size(); i += 2)
    raw += static_cast<char>(nibble(hex[i]) << 4 | nibble(hex[i + 1]));
  return raw;
}

std::optional<std::string> hex_digest(std::string_view raw) {
  if (raw.size() != kDigestBytes) return std::nullopt;
  return to_hex(raw);
}

std::uint32_t crc32_of(std::string_view bytes) {
  static const auto table = make_crc_table();
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xFFu] ^ (crc >> 8);
  return ~crc;
}

}  // namespace driftloop::uplink

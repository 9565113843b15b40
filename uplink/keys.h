// CURVE key pairs as files: <name>.key is the secret (mode 0600), <name>.pub the public half that is copied
// to the other side. At the station the name of a vehicle's .pub file *is* the vehicle's id.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace driftloop::uplink {

inline constexpr std::size_t kKeyChars = 40;  // Z85 text of 32 bytes

struct KeyPair {
  std::string public_z85;
  std::string secret_z85;
};

/// A fresh pair. Throws Error when the system has no CURVE support.
KeyPair generate_keys();

/// Writes <folder>/<name>.key and <folder>/<name>.pub durably and returns the path of the .key file. Throws
/// Error when a key of that name is there already: a lost secret cannot be made again.
std::filesystem::path save_keys(const KeyPair& keys, const std::filesystem::path& folder,
                                std::string_view name);

/// Reads a secret key file and derives the public half. Throws Error when the file is missing, not a key, or
/// readable by everybody.
KeyPair load_keys(const std::filesystem::path& secret_file);

/// The key in a .pub file. Throws Error.
std::string load_public_key_file(const std::filesystem::path& file);

/// A public key given as its 40 characters or as the path of a .pub file; what is a file, or is named like
/// one, is never taken for a key, however long its path. Throws Error.
std::string load_public_key(std::string_view key_or_file);

}  // namespace driftloop::uplink

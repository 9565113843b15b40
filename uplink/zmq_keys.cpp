#include <sys/stat.h>
#include <zmq.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "config/check.h"
#include "config/durable_file.h"
#include "uplink/keys.h"

namespace driftloop::uplink {
namespace fs = std::filesystem;
namespace {

bool is_key(std::string_view text) {
  std::array<std::uint8_t, 32> raw{};
  return text.size() == kKeyChars && zmq_z85_decode(raw.data(), std::string(text).c_str()) != nullptr;
}

/// The key in a key file: the only line that is not empty and not a comment ("# " cannot begin a Z85 key,
/// which has no spaces).
std::string key_in(const fs::path& file) {
  const std::string content = config::read_file(file);
  std::string found;
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t end = std::min(content.find('\n', at), content.size());
    std::string line = content.substr(at, end - at);
    at = end + 1;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.rfind("# ", 0) == 0) continue;
    if (!found.empty() || !is_key(line))
      throw Error(file.string() + " is not a key file: expected one line of 40 Z85 characters");
    found = line;
  }
  if (found.empty()) throw Error(file.string() + " holds no key: expected one line of 40 Z85 characters");
  return found;
}

std::string public_of(const std::string& secret_z85, const fs::path& file) {
  std::array<char, kKeyChars + 1> out{};
  if (zmq_curve_public(out.data(), secret_z85.c_str()) != 0)
    throw Error("cannot derive the public key of " + file.string() + ": " + zmq_strerror(errno));
  return out.data();
}

}  // namespace

KeyPair generate_keys() {
  std::array<char, kKeyChars + 1> public_key{}, secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0)
    throw Error(std::string("cannot make a CURVE key pair: ") + zmq_strerror(errno) +
                " (libzmq must be built with CURVE)");
  return {public_key.data(), secret_key.data()};
}

fs::path save_keys(const KeyPair& keys, const fs::path& folder, std::string_view name) {
  DL_CHECK(is_key(keys.public_z85) && is_key(keys.secret_z85), keys.public_z85);
  config::make_folder(folder);
  const fs::path secret_file = folder / (std::string(name) + ".key");
  const fs::path public_file = folder / (std::string(name) + ".pub");
  for (const auto& file : {secret_file, public_file})
    if (fs::exists(file))
      throw Error("there is a key already: " + file.string() + " (remove it first if it is no longer used)");
  config::write_durably(secret_file,
                        "# driftloop secret key of " + std::string(name) + ": never leaves this machine\n" +
                            keys.secret_z85 + "\n",
                        0600);
  config::write_durably(public_file,
                        "# driftloop public key of " + std::string(name) + "\n" + keys.public_z85 + "\n");
  return secret_file;
}

KeyPair load_keys(const fs::path& secret_file) {
  struct stat info {};
  if (::stat(secret_file.c_str(), &info) != 0)
    throw Error("cannot read the secret key " + secret_file.string() + ": " + std::strerror(errno) +
                " (make one with: driftloop keygen, or driftloop-station keygen)");
  if ((info.st_mode & S_IRWXO) != 0)
    throw Error("the secret key " + secret_file.string() +
                " is open to every user of this machine (run: chmod 600 " + secret_file.string() + ")");
  KeyPair keys;
  keys.secret_z85 = key_in(secret_file);
  keys.public_z85 = public_of(keys.secret_z85, secret_file);
  return keys;
}

std::string load_public_key_file(const fs::path& file) {
  if (file.extension() == ".key")
    throw Error(file.string() + " is a secret key; give the .pub file beside it");
  return key_in(file);
}

std::string load_public_key(std::string_view key_or_file) {
  // A path can have 40 characters as well, and all of them may occur in a key.
  const fs::path file(key_or_file);
  std::error_code error;
  if (fs::is_regular_file(file, error)) return load_public_key_file(file);
  if (is_key(key_or_file) && file.extension() != ".pub" && file.extension() != ".key")
    return std::string(key_or_file);
  throw Error("'" + std::string(key_or_file) + "' is neither a public key (40 Z85 characters) nor a file");
}

}  // namespace driftloop::uplink

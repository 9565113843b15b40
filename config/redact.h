// Passwords of cameras and servers stand in addresses and pipelines; no log, status, error text or stored
// setting may repeat them.
#pragma once
#include <string>

namespace driftloop::config {

/// The text with *** for whatever is secret in it: user and password of an address
/// (rtsp://user:password@host), and the values of assignments such as user-id=, user-pw=, password=, token=.
/// Rather too much is taken out than too little. Idempotent.
std::string without_secrets(std::string text);

/// The same for a library's message about `source`: what is secret in `source` is taken out of the message
/// wherever it stands, also alone, percent-decoded or with its escapes resolved.
std::string without_secrets(std::string text, const std::string& source);

}  // namespace driftloop::config

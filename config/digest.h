// SHA-256: what regions, labels, checkpoints and configurations are identified by.
#pragma once
#include <string>
#include <string_view>

namespace driftloop::config {

/// 64 lower-case hex digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace driftloop::config

// SHA-256: what regions, labels, checkpoints and configurations are identified by.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace driftloop::config {

/// 64 lower-case hex digits.
std::string sha256_hex(std::string_view bytes);

/// The same of bytes that come in parts.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(std::string_view bytes);
  /// 64 lower-case hex digits. Once, at the end.
  std::string finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace driftloop::config

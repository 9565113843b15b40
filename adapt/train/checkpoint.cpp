#include "adapt/train/checkpoint.h"

#include <array>
#include <cstdint>
#include <string>

#include "config/check.h"
#include "config/digest.h"
#include "config/durable_file.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

constexpr std::array<const char*, 2> kSlots = {"state_a", "state_b"};

fs::path tensors_of(const fs::path& folder, const char* slot) {
  return folder / (std::string(slot) + ".safetensors");
}
fs::path seal_of(const fs::path& folder, const char* slot) {
  return folder / (std::string(slot) + ".seal");
}

/// The seal: "<generation> <SHA-256 of the slot's file>". 0 when there is no valid state in the slot.
std::uint64_t generation(const fs::path& folder, const char* slot) {
  try {
    if (!fs::exists(seal_of(folder, slot)) || !fs::exists(tensors_of(folder, slot))) return 0;
    const std::string seal = config::read_file(seal_of(folder, slot));
    const auto space = seal.find(' ');
    if (space == std::string::npos ||
        config::sha256_hex(config::read_file(tensors_of(folder, slot))) != seal.substr(space + 1))
      return 0;
    return std::stoull(seal.substr(0, space));
  } catch (const std::exception&) {
    return 0;  // an unreadable slot is no state; the other one counts
  }
}

struct Newest {
  const char* slot;
  std::uint64_t generation;
};

Newest newest(const fs::path& folder) {
  const std::uint64_t a = generation(folder, kSlots[0]), b = generation(folder, kSlots[1]);
  return b > a ? Newest{kSlots[1], b} : Newest{kSlots[0], a};
}

}  // namespace

void save_slot(const fs::path& folder, TensorFile content) {
  config::make_folder(folder);
  const Newest current = newest(folder);
  const char* slot = current.generation > 0 && current.slot == kSlots[0] ? kSlots[1] : kSlots[0];
  write_safetensors(tensors_of(folder, slot), content);
  const std::string digest = config::sha256_hex(config::read_file(tensors_of(folder, slot)));
  config::write_durably(seal_of(folder, slot), std::to_string(current.generation + 1) + ' ' + digest);
}

std::optional<TensorFile> load_newest_slot(const fs::path& folder) {
  const Newest current = newest(folder);
  if (current.generation == 0) return std::nullopt;
  return read_safetensors(tensors_of(folder, current.slot));
}

}  // namespace driftloop::adapt

// One durable thing as two files written in turn, each with a small seal: whatever happens during a write,
// the newest one that was finished stays readable.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "adapt/files/safetensors.h"

namespace driftloop::adapt {

class Slots {
 public:
  /// The files <name>_a and <name>_b in `folder`, .safetensors and .seal each. Reads nothing yet.
  Slots(std::filesystem::path folder, std::string name);

  struct Stored {
    TensorFile content;
    std::uint64_t revision;
  };
  /// The newest content that verifies, read once; nothing when there is none. A slot that does not verify is
  /// left as it is. Throws what reading throws for another reason than the file (no memory).
  std::optional<Stored> load();
  /// The content of this revision where it still verifies, else as load(). What it gives is what the next
  /// save() leaves alone.
  std::optional<Stored> load(std::uint64_t revision);

  /// Writes into the slot that does not hold the newest valid content; what was written is not read back.
  /// `revision` is above newest_revision(). Throws Error (disk full): the other slot is untouched.
  void save(TensorFile content, std::uint64_t revision);

  /// The largest revision that any seal names, valid or not; 0 when there is none. Reads the seals alone.
  std::uint64_t newest_revision() const;
  /// Whether there is valid content. Reads the newest slot where load() or save() have not told.
  bool holds_content();

 private:
  static constexpr int kNone = -1;
  struct Seal {
    std::uint64_t revision = 0;
    std::string digest;
  };
  std::filesystem::path file(int slot, const char* extension) const;
  std::optional<Seal> seal(int slot) const;
  /// Slots with a seal and a file, the newest first.
  std::vector<int> by_age() const;
  int newest();
  std::optional<Stored> read(int slot) const;

  std::filesystem::path folder_;
  std::string name_;
  std::optional<int> newest_;  // the slot with the newest valid content, or kNone; not known until read
};

}  // namespace driftloop::adapt

// Two slots written in turn; the newest that verifies is the state.
#pragma once
#include <filesystem>
#include <optional>

#include "adapt/train/safetensors.h"

namespace driftloop::adapt {

/// Writes `content` into the slot that does not hold the newest valid state, then its digest. Throws Error
/// (disk full): the other slot is untouched.
void save_slot(const std::filesystem::path& folder, TensorFile content);

/// The newest slot whose digest matches; nothing when there is none. A slot that does not verify is left as
/// it is.
std::optional<TensorFile> load_newest_slot(const std::filesystem::path& folder);

}  // namespace driftloop::adapt

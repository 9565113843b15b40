// Reading PyTorch's .pth and .pt files, the zip form and the legacy one, without executing what they say:
// tensors in plain containers only (pickle.h).
#pragma once
#include <filesystem>

#include "adapt/files/safetensors.h"

namespace driftloop::adapt {

/// All tensors of the file under the keys that lead to them, joined by dots
/// ("model_state.encoder.conv1.weight", list items by their number); texts and numbers beside them become
/// metadata. Tensors are views of the file's storages: no more memory than the file's size. Throws Error that
/// names the file: it cannot be read, is damaged, holds more than tensors and plain containers, or an element
/// type that driftloop does not know.
TensorFile read_pth(const std::filesystem::path& path);

/// By content: safetensors, or .pth in either form. Throws Error.
TensorFile read_weights(const std::filesystem::path& path);

}  // namespace driftloop::adapt

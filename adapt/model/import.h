// Published weights into a net of ours; no LibTorch in this header.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "adapt/model/options.h"

namespace driftloop::adapt {

struct StoredTensor {
  std::string name, type;  // "float", "long int" ...
  std::vector<std::int64_t> shape;
};

/// What is in a weights file: safetensors, or PyTorch's .pth in either form (nothing in it is executed).
struct WeightsContent {
  std::vector<StoredTensor> tensors;                          // by name
  std::vector<std::pair<std::string, std::string>> metadata;  // texts and numbers beside them
};
/// Throws Error that names the file.
WeightsContent inspect_weights(const std::filesystem::path& file);

/// Which of a net's parameters and buffers a file gave, by the net's names.
struct ImportReport {
  std::vector<std::string> matched;
  std::vector<std::string> missing;      // of the net, and not in the file: as they began
  std::vector<std::string> other_shape;  // "name: 11x256 there, 19x256 in the net": as they began
  std::vector<std::string> unused;       // of the file, by its names
};

struct ImportRequest {
  std::filesystem::path from;
  ModelSpec spec;
  std::uint64_t seed = 0;  // of what the file does not give
  std::string part;        // of a file that holds several nets: "teacher_state"; "" = the only one, or the
                           // first of model_state, state_dict, teacher_state
};

/// A file of Model::save() with what `from` gives. Names are matched as they are, without the prefixes that
/// training leaves (module., model_state. and so on), and with encoder. before them (files of a backbone
/// alone: torchvision's, EfficientNet-Lite's). Throws Error that names the file; when nothing matches, with
/// names of both sides.
ImportReport import_weights(const ImportRequest& request, const std::filesystem::path& to);

}  // namespace driftloop::adapt

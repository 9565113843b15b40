// Images and label PNGs in two folders, matched by file stem.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "adapt/data/dataset.h"

namespace driftloop::adapt {

struct FolderLayout {
  std::filesystem::path images;  // *.jpg, *.jpeg, *.png
  std::filesystem::path labels;  // <stem>.png, one byte per pixel
  std::string id_table;          // of the label files: config::id_table
};

/// Throws Error: a folder is missing, holds no images, or an image has no label file.
std::unique_ptr<Dataset> open_layout(const FolderLayout& layout);

/// The factories of the table. The default split of camvid is "train"; a plain folder has none.
std::unique_ptr<Dataset> open_camvid(const std::string& folder, const std::string& split);
std::unique_ptr<Dataset> open_folder(const std::string& folder, const std::string& split);

}  // namespace driftloop::adapt

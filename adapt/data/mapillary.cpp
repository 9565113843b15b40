// Mapillary Vistas, the 66 classes of version 1.2 folded to the 19 (config/label_space.cpp).
#include "adapt/data/layout.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

std::vector<LabelledFile> list(const fs::path& root, const std::string& split) {
  const fs::path part = root / (split == "val" ? "validation" : "training");
  const fs::path versioned = part / "v1.2" / "labels";
  return same_stems(part / "images", fs::is_directory(versioned) ? versioned : part / "labels", "mapillary",
                    no_group);
}

}  // namespace

const Layout& mapillary_layout() {
  static const Layout layout{
      "{training,validation}/images/*.jpg and {training,validation}/[v1.2/]labels/*.png (the ids of version "
      "1.2)",
      {"train", "val"},
      list,
      stem_of_line};
  return layout;
}

}  // namespace driftloop::adapt

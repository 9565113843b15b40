// The 11 classes published with SegNet, in its layout (train/, trainannot/) or in ours.
#include "adapt/data/layout.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

std::vector<LabelledFile> list(const fs::path& root, const std::string& split) {
  const fs::path annotations = root / (split + "annot");
  if (fs::is_directory(annotations))
    return same_stems(root / split, annotations, "camvid", before_last_underscore);
  return same_stems(root / split / "images", root / split / "labels", "camvid", before_last_underscore);
}

}  // namespace

const Layout& camvid_layout() {
  static const Layout layout{"{train,val}/{images,labels}, or {train,val} and {train,val}annot",
                             {"train", "val", "test"},
                             list,
                             stem_of_line};
  return layout;
}

}  // namespace driftloop::adapt

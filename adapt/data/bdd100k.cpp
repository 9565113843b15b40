// The 10,000 images of BDD100K with labels of each pixel, in the present layout and in that of the first
// release.
#include "adapt/data/layout.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

std::vector<LabelledFile> list(const fs::path& root, const std::string& split) {
  const fs::path first = root / "seg";
  if (!fs::is_directory(first))
    return same_stems(root / "images" / "10k" / split, root / "labels" / "sem_seg" / "masks" / split,
                      "trainids", no_group);
  auto files = same_stems(first / "images" / split, first / "labels" / split, "trainids", no_group);
  for (auto& file : files) file.label = first / "labels" / split / (file.id + "_train_id.png");
  return files;
}

}  // namespace

const Layout& bdd100k_layout() {
  static const Layout layout{
      "images/10k/{train,val}/*.jpg and labels/sem_seg/masks/{train,val}/*.png, or seg/images/... and "
      "seg/labels/.../*_train_id.png",
      {"train", "val"},
      list,
      stem_of_line};
  return layout;
}

}  // namespace driftloop::adapt

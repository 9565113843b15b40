#include "adapt/data/layout.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kImage = "_leftImg8bit";

std::vector<LabelledFile> list(const fs::path& root, const std::string& split) {
  std::vector<LabelledFile> files;
  for (const auto& city : folders_in(root / "leftImg8bit" / split))
    for (const auto& image : pictures_in(city)) {
      const std::string id = without_suffix(image.stem().string(), kImage);
      if (id.empty()) continue;
      LabelledFile file{id, city.filename().string(), image, {}, {}};
      set_cityscapes_label(file, root / "gtFine" / split / city.filename() / (id + "_gtFine_label"));
      files.push_back(std::move(file));
    }
  return files;
}

std::string id_of_line(std::string_view line) {
  const std::string stem = stem_of_line(line);
  const std::string id = without_suffix(stem, kImage);
  if (id.empty()) return stem;
  return id.starts_with("gta5_") || id.starts_with("synthia_") ? std::string() : id;
}

}  // namespace

const Layout& cityscapes_layout() {
  static const Layout layout{
      "leftImg8bit/{train,val}/CITY/*_leftImg8bit.png and gtFine/{train,val}/CITY/*_gtFine_labelIds.png",
      {"train", "val", "test"},
      list,
      id_of_line};
  return layout;
}

}  // namespace driftloop::adapt

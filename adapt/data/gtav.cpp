#include "adapt/data/layout.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

std::vector<LabelledFile> list(const fs::path& root, const std::string&) {
  return same_stems(root / "images", root / "labels", "cityscapes", no_group);
}

std::string id_of_line(std::string_view line) {
  return number_in_city(line, "gta5");
}

}  // namespace

const Layout& gtav_layout() {
  static const Layout layout{"images/00001.png and labels/00001.png (palette)", {"train"}, list, id_of_line};
  return layout;
}

}  // namespace driftloop::adapt

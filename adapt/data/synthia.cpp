// SYNTHIA-RAND-CITYSCAPES.
#include "adapt/data/layout.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

std::vector<LabelledFile> list(const fs::path& root, const std::string&) {
  return same_stems(root / "RGB", root / "GT" / "LABELS", "synthia", no_group);
}

std::string id_of_line(std::string_view line) {
  return number_in_city(line, "synthia");
}

}  // namespace

const Layout& synthia_layout() {
  static const Layout layout{"RGB/0000000.png and GT/LABELS/0000000.png (16 bits, SYNTHIA-RAND-CITYSCAPES)",
                             {"train"},
                             list,
                             id_of_line};
  return layout;
}

}  // namespace driftloop::adapt

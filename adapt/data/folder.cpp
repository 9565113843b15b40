#include "adapt/data/layout.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

std::vector<LabelledFile> list(const fs::path& root, const std::string& split) {
  const fs::path part = split.empty() ? root : root / split;
  return same_stems(part / "images", part / "labels", "trainids", before_last_underscore);
}

}  // namespace

const Layout& folder_layout() {
  static const Layout layout{"[SPLIT/]images and [SPLIT/]labels (trainIds)", {}, list, stem_of_line};
  return layout;
}

}  // namespace driftloop::adapt

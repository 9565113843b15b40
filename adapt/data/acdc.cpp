// Adverse conditions with the classes of Cityscapes: fog, night, rain, snow.
#include "adapt/data/layout.h"

namespace driftloop::adapt {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kImage = "_rgb_anon";

std::vector<LabelledFile> list(const fs::path& root, const std::string& split) {
  std::vector<LabelledFile> files;
  for (const auto& condition : folders_in(root / "rgb_anon")) {
    const fs::path part = fs::path(condition.filename()) / split;
    if (!fs::is_directory(root / "rgb_anon" / part)) continue;
    for (const auto& sequence : folders_in(root / "rgb_anon" / part))
      for (const auto& image : pictures_in(sequence)) {
        const std::string id = without_suffix(image.stem().string(), kImage);
        if (id.empty()) continue;
        LabelledFile file{id, (condition.filename() / sequence.filename()).string(), image, {}, {}};
        set_cityscapes_label(file, root / "gt" / part / sequence.filename() / (id + "_gt_label"));
        files.push_back(std::move(file));
      }
  }
  return files;
}

std::string id_of_line(std::string_view line) {
  const std::string stem = stem_of_line(line);
  const std::string id = without_suffix(stem, kImage);
  return id.empty() ? stem : id;
}

}  // namespace

const Layout& acdc_layout() {
  static const Layout layout{
      "rgb_anon/{fog,night,rain,snow}/{train,val}/SEQUENCE/*_rgb_anon.png and gt/.../*_gt_labelTrainIds.png",
      {"train", "val", "test"},
      list,
      id_of_line};
  return layout;
}

}  // namespace driftloop::adapt

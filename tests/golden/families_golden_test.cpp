// Every folder of cases must be read by somebody: one that no test knows fails here instead of lying unread.
#include <algorithm>
#include <array>
#include <string_view>

#include "tests/golden/golden_case.h"

namespace driftloop::test {
namespace {
constexpr std::array<std::string_view, 11> kTested{
    "region_score", "image_entropy", "pseudo_label",     "iou",         "city_quota", "ohem", "consistency",
    "contrast",     "network",       "class_confidence", "edge_network"};

bool holds(const auto& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}
}  // namespace

TEST(Golden, EveryFamilyIsKnown) {
  int families = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden_dir())) {
    if (!entry.is_directory()) continue;
    const auto family = entry.path().filename().string();
    EXPECT_TRUE(holds(kTested, family)) << "no test reads the cases in " << entry.path();
    families += holds(kTested, family);
  }
  EXPECT_GT(families, 0) << "no case under " << golden_dir();
}

}  // namespace driftloop::test

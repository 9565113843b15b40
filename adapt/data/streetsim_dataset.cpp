#include "adapt/data/streetsim_dataset.h"

#include <array>
#include <cstdio>
#include <mutex>

#include "adapt/data/spec_options.h"
#include "adapt/data/streetsim/streetsim.h"
#include "config/check.h"
#include "config/name_table.h"

namespace driftloop::adapt {
namespace {

struct Settings {
  StreetsimOptions scene;
  std::int64_t frames = 400;
  std::int64_t stride = 25;
};

Settings parse(const std::string& argument) {
  const SpecOptions spec = parse_spec_options(argument);
  Settings settings;
  settings.scene.look = spec.root;
  for (const auto& [key, text] : spec.options) {
    const std::int64_t value = whole_number("streetsim", key, text);
    if (key == "frames")
      settings.frames = value;
    else if (key == "stride")
      settings.stride = value;
    else if (key == "seed")
      settings.scene.seed = value;
    else if (key == "width")
      settings.scene.width = static_cast<int>(value);
    else if (key == "height")
      settings.scene.height = static_cast<int>(value);
    else
      config::throw_unknown_name("streetsim setting", key, {"frames", "stride", "seed", "width", "height"});
  }
  if (settings.frames == 0) throw Error("streetsim: frames=0 is an empty data set");
  return settings;
}

class StreetsimDataset : public Dataset {
 public:
  explicit StreetsimDataset(const Settings& settings) : settings_(settings), scene_(settings.scene) {
    for (std::int64_t i = 0; i < settings.frames; ++i) {
      char name[32];
      std::snprintf(name, sizeof name, "%06lld", static_cast<long long>(i * settings.stride));
      ids_.emplace_back(name);
    }
  }
  std::size_t size() const override { return ids_.size(); }
  const std::string& id(std::size_t index) const override { return ids_.at(index); }
  std::string group(std::size_t) const override { return settings_.scene.look; }
  cv::Size size_px(std::size_t) const override { return {settings_.scene.width, settings_.scene.height}; }
  cv::Mat image_rgb(std::size_t index) const override { return rendered(index).image_rgb; }
  cv::Mat label(std::size_t index) const override { return rendered(index).label; }

 private:
  /// An image and its label are asked for one after the other, by several threads: the last frames are kept.
  StreetFrame rendered(std::size_t index) const {
    DL_CHECK(index < ids_.size(), index, ids_.size());
    Kept& kept = kept_[index % kept_.size()];
    {
      const std::scoped_lock lock(mutex_);
      if (kept.index == index) return kept.frame;
    }
    const StreetFrame frame = scene_.frame(static_cast<std::int64_t>(index) * settings_.stride);
    const std::scoped_lock lock(mutex_);
    kept = {index, frame};
    return frame;
  }

  struct Kept {
    std::size_t index = static_cast<std::size_t>(-1);
    StreetFrame frame;
  };
  Settings settings_;
  Streetsim scene_;
  std::vector<std::string> ids_;
  mutable std::mutex mutex_;
  mutable std::array<Kept, 8> kept_;
};

}  // namespace

std::unique_ptr<Dataset> open_streetsim(const std::string& argument, const std::string&) {
  return std::make_unique<StreetsimDataset>(parse(argument));
}

}  // namespace driftloop::adapt

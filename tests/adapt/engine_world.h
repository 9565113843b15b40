// A small engine on rendered frames, and the lab's answers to it.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "adapt/engine.h"
#include "config/durable_file.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {

constexpr const char* kSource = "streetsim:game?frames=6&width=96&height=64";
constexpr const char* kTarget = "streetsim:street?frames=6&seed=3&width=96&height=64";

inline EngineOptions tiny() {
  EngineOptions o;
  o.threads = 1;
  o.device = "cpu";
  o.model = {"deeplabv3plus_r18", 0.0625, 16, 2, 0.1};
  o.input.crop_width_px = 64;
  o.input.crop_height_px = 48;
  o.train.optimiser = "adamw";
  o.train.rate = 0.002;
  o.train.head_rate_factor = 1;
  o.guard.min_pixels = 64;
  return o;
}

inline std::vector<Region> ask(Engine& engine, double share = 0.05) {
  return engine.propose(config::Chosen("cover"), engine.budget({.share = share}));
}

class EngineTest : public testing::Test {
 protected:
  Engine make(const EngineOptions& options, std::uint64_t seed = 5) {
    return Engine(options, source_, *pool_, seed);
  }

  std::vector<RegionLabel> answer(const std::vector<Region>& regions) const {
    std::vector<RegionLabel> labels;
    for (const auto& region : regions)
      for (std::size_t i = 0; i < target_->size(); ++i)
        if (target_->id(i) == region.frame_id)
          labels.push_back({region.frame_id, region.box_px, target_->label(i)(region.box_px).clone()});
    return labels;
  }

  void round(Engine& engine, int steps) const {
    engine.merge(answer(ask(engine)));
    engine.train({steps});
    engine.judge();
  }

  std::string weights_of(const Engine& engine) const {
    engine.live().save(folder_ / "w.safetensors");
    return config::read_file(folder_ / "w.safetensors");
  }

  test::TempFolder folder_;
  std::shared_ptr<const Dataset> source_ = cached(open_dataset(kSource, ""), 1 << 24);
  std::shared_ptr<const Dataset> target_ = cached(open_dataset(kTarget, ""), 1 << 24);
  std::unique_ptr<FramePool> pool_ = make_dataset_pool(target_);
};

}  // namespace driftloop::adapt

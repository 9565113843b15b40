// Batches drawn from small synthetic streets, in the label space of CamVid.
#pragma once
#include <gtest/gtest.h>

#include "adapt/data/batches.h"

namespace driftloop::adapt {

class BatchesTest : public testing::Test {
 protected:
  static EngineOptions options() {
    EngineOptions o;
    o.label_space = "camvid11";
    o.input.crop_width_px = 64;
    o.input.crop_height_px = 48;
    o.train.batch_source = 3;
    o.train.copy_paste = 0.5;
    return o;
  }
  Batch draw(const EngineOptions& o, std::int64_t step, std::span<const CutWish> wishes = {}) const {
    Batches batches(o, source_.get(), *pool_, labels_, Unlabelled::drawn, 5);
    return *batches.draw(step, 1, wishes);
  }
  std::shared_ptr<const Dataset> source_ =
      cached(open_dataset("streetsim:game?frames=6&width=96&height=64", ""), 1 << 24);
  std::shared_ptr<const Dataset> target_ =
      cached(open_dataset("streetsim:street?frames=6&seed=3&width=96&height=64", ""), 1 << 24);
  std::unique_ptr<FramePool> pool_ = make_dataset_pool(target_);
  TargetLabels labels_;
};

}  // namespace driftloop::adapt

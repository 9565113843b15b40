// The first model of either loop.
#include "daemon/warm_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/check.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {

WarmUp tiny(const std::filesystem::path& folder) {
  WarmUp plan;
  auto& e = plan.engine;
  e.device = "cpu";
  e.threads = 1;
  e.model.width = 0.0625;
  e.model.output_stride = 16;
  e.input.crop_width_px = 64;
  e.input.crop_height_px = 48;
  plan.source = adapt::open_dataset("streetsim:game?frames=2&width=96&height=64", "");
  plan.source_name = "the game";
  plan.seed = 4;
  plan.steps = 3;
  plan.weights = folder / "first.safetensors";
  return plan;
}

std::optional<adapt::TrainReport> one_step(adapt::Engine& engine) {
  return engine.train({1, {}, {}});
}

TEST(WarmUp, GoesOnSliceBySliceAndLeavesAModelThatLearnt) {
  const test::TempFolder folder;
  const WarmUp plan = tiny(folder.path());
  int slices = 0;
  bool resumed = false;
  const auto resume = [&](adapt::Engine& engine) {
    resumed = slices == 0;
    engine.live().save(folder / "before.safetensors");
  };
  ASSERT_TRUE(warm_up(plan, resume, [&](adapt::Engine& engine) {
    ++slices;
    return one_step(engine);
  }));
  EXPECT_TRUE(resumed);
  EXPECT_EQ(slices, 3);
  EXPECT_TRUE(std::filesystem::exists(plan.weights));
  const auto space_of = [&](const std::filesystem::path& file) {
    return adapt::Model::open(file, adapt::runs_on(plan.engine)).feature_space();
  };
  EXPECT_NE(space_of(plan.weights), space_of(folder / "before.safetensors"))
      << "the live model is the untrained one";
}

TEST(WarmUp, AStopLeavesNoModel) {
  const test::TempFolder folder;
  const WarmUp plan = tiny(folder.path());
  int slices = 0;
  EXPECT_FALSE(warm_up(
      plan, {}, [&](adapt::Engine& engine) { return ++slices < 2 ? one_step(engine) : std::nullopt; }));
  EXPECT_FALSE(std::filesystem::exists(plan.weights));
}

TEST(WarmUp, WhatLearnsNothingIsSaid) {
  const test::TempFolder folder;
  WarmUp plan = tiny(folder.path());
  plan.engine.train.batch_source = 0;
  EXPECT_THROW(warm_up(plan, {}, one_step), Error);
  plan = tiny(folder.path());
  try {
    warm_up(plan, {}, [](adapt::Engine&) {
      adapt::TrainReport report;
      report.gave_up = true;
      return std::optional(report);
    });
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("the game does not learn"));
  }
}

}  // namespace
}  // namespace driftloop::daemon

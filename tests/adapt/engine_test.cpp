#include "adapt/engine.h"
#include "adapt/files/safetensors.h"

#include <gmock/gmock.h>

#include "adapt/click_price.h"
#include "config/check.h"
#include "config/label_space.h"
#include "tests/adapt/engine_world.h"

namespace driftloop::adapt {
namespace {
using testing::HasSubstr;

TEST_F(EngineTest, WithoutLabelsTheLiveModelIsNotReplaced) {
  Engine engine = make(tiny());
  const std::string before = weights_of(engine);
  engine.train({2});
  EXPECT_EQ(engine.judge().verdict, Verdict::no_guard);
  EXPECT_TRUE(weights_of(engine) == before) << "the live model changed";
}

TEST_F(EngineTest, AWorseCandidateIsRolledBack) {
  Engine engine = make(tiny());
  engine.train({150});
  engine.merge(answer(ask(engine)));
  const auto first = engine.judge();
  ASSERT_EQ(first.verdict, Verdict::promoted) << first.live_score << ' ' << first.candidate_score;
  const std::string good = weights_of(engine);
  engine.live().save(folder_ / "good.safetensors");
  EngineOptions harmful = tiny();
  harmful.train.rate = 1;  // blows the net up
  harmful.guard.tolerance = 0;
  harmful.guard.share = 0.5;  // enough regions that chance is small beside the harm
  Engine victim = make(harmful);
  victim.load_weights(folder_ / "good.safetensors");
  victim.merge(answer(ask(victim, 0.5)));
  victim.train({5});
  const auto judged = victim.judge();
  EXPECT_EQ(judged.verdict, Verdict::rolled_back) << judged.live_score << ' ' << judged.candidate_score;
  EXPECT_TRUE(weights_of(victim) == good) << "the live model changed";
  EXPECT_DOUBLE_EQ(victim.candidate().evaluate(*target_, {}, {}).miou,
                   victim.live().evaluate(*target_, {}, {}).miou);
}

TEST_F(EngineTest, AsksWithinTheBudgetNeverTwiceAndHoldsTheGuardOut) {
  Engine engine = make(tiny());
  std::map<std::string, cv::Mat> count;
  for (int i = 0; i < 3; ++i) {
    const Budget budget = engine.budget({.share = 0.05});
    std::int64_t pixels = 0;
    for (const auto& region : engine.propose(config::Chosen("cover"), budget)) {
      auto& map = count.try_emplace(region.frame_id, cv::Mat::zeros(64, 96, CV_8UC1)).first->second;
      EXPECT_EQ(cv::countNonZero(map(region.box_px)), 0);
      map(region.box_px).setTo(1);
      pixels += region.box_px.area();
    }
    EXPECT_LE(pixels, *budget.pixels);
    EXPECT_GT(pixels, *budget.pixels / 2);
  }
  engine.merge(answer(engine.asked()));
  const auto totals = engine.labels();
  EXPECT_GT(totals.guard_pixels, 0);
  EXPECT_NEAR(static_cast<double>(totals.guard_pixels) /
                  static_cast<double>(totals.guard_pixels + totals.train_pixels),
              0.15, 0.06);
}

TEST_F(EngineTest, ALabelCountsOnce) {
  Engine engine = make(tiny());
  const auto labels = answer(ask(engine));
  EXPECT_EQ(engine.merge(labels).regions, static_cast<int>(labels.size()));
  const auto totals = engine.labels();
  EXPECT_EQ(engine.merge(labels).regions, 0);
  EXPECT_EQ(engine.labels().train_pixels, totals.train_pixels);
}

TEST_F(EngineTest, ARegionHasAnIdFromProposeToMerge) {
  Engine engine = make(tiny());
  std::uint64_t last = 0;
  for (int i = 0; i < 2; ++i)
    for (const auto& region : ask(engine)) {
      EXPECT_EQ(region.id, ++last);
      ASSERT_TRUE(engine.asked(region.id));
      EXPECT_EQ(engine.asked(region.id)->box_px, region.box_px);
    }
  EXPECT_FALSE(engine.asked(last + 1));
  auto labels = answer(engine.asked());
  labels[0].id = 2;  // not that one's
  EXPECT_EQ(engine.merge(labels).unknown_frames, 1);
  EXPECT_EQ(engine.labels().asked_regions, static_cast<std::int64_t>(last));
}

TEST_F(EngineTest, RetiredRegionsTeachNothingAndTheNextChoiceIsAnother) {
  Engine engine = make(tiny());
  engine.merge(answer(ask(engine)));
  const auto before = engine.labels();
  const auto last = engine.asked().back().id;
  EXPECT_EQ(engine.retire([](const std::string&) { return true; }, {}), static_cast<std::size_t>(last));
  EXPECT_TRUE(engine.asked().empty());
  EXPECT_EQ(engine.labels().train_pixels, before.train_pixels);
  EXPECT_EQ(engine.judge().verdict, Verdict::no_guard) << "judged on pictures that are gone";
  EXPECT_EQ(ask(engine).front().id, last + 1);
}

TEST_F(EngineTest, RefusesWhatDoesNotFit) {
  EngineOptions options = tiny();
  options.label_space = "camvid11";
  Engine engine = make(options);
  auto labels = answer(ask(engine));
  ASSERT_FALSE(labels.empty());
  labels[0].label.setTo(14);  // a truck: not a class of camvid11
  try {
    engine.merge(labels);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("class 14, which label space 'camvid11' does not have"));
  }
  engine.save(folder_ / "state");
  EngineOptions other = tiny();
  EXPECT_THROW(make(other).load(folder_ / "state"), Error);
  options.model.width = 0.125;
  EXPECT_THROW(make(options).load(folder_ / "state"), Error);
  engine.live().save(folder_ / "small.safetensors");
  try {
    make(options).load_weights(folder_ / "small.safetensors");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("is of another model"));
  }
  options.device = "cuda:9";
  EXPECT_THROW(make(options), Error);
}

TEST_F(EngineTest, TheStatisticsOfTheTargetAreTakenWithoutTouchingTheWeights) {
  EngineOptions options = tiny();
  options.guard.enabled = false;
  Engine plain = make(options);
  plain.train({3});
  plain.judge();
  plain.live().save(folder_ / "plain.safetensors");
  options.norm_frames = 5;
  Engine fitted = make(options);
  fitted.load_weights(folder_ / "plain.safetensors");
  fitted.live().save(folder_ / "fitted.safetensors");
  const TensorFile before = read_safetensors(folder_ / "plain.safetensors"),
                   after = read_safetensors(folder_ / "fitted.safetensors");
  int moved = 0;
  for (const auto& [name, value] : before.tensors) {
    const bool same = torch::equal(value, after.tensors.at(name));
    const bool statistic = name.find("running_") != std::string::npos;
    EXPECT_TRUE(same || statistic || name.ends_with("num_batches_tracked")) << name;
    moved += statistic && !same;
  }
  EXPECT_GT(moved, 10);
  Engine again = make(options);
  again.load_weights(folder_ / "plain.safetensors");
  EXPECT_EQ(again.live().feature_space(), fitted.live().feature_space())
      << "the same frames, the same statistics";
  EXPECT_NE(fitted.candidate().feature_space(), fitted.live().feature_space()) << "what learns keeps its own";
  const std::string own = plain.live().feature_space();
  EXPECT_EQ(plain.live_on_target(5).feature_space(), fitted.live().feature_space());
  EXPECT_EQ(plain.live_on_target(0).feature_space(), own);
  EXPECT_EQ(plain.live().feature_space(), own) << "a copy was fitted, not the live model";
}

TEST_F(EngineTest, ABudgetOfClicksIsPricedByTheAnswersSoFar) {
  Engine engine = make(tiny());
  const double of_source =
      click_price(*source_, config::label_space("cityscapes19"), tiny().acquisition.region_px / 96.0);
  ASSERT_GT(of_source, 1);
  EXPECT_EQ(engine.budget({.clicks = 12}).regions, static_cast<std::int64_t>(12 / of_source));
  EXPECT_EQ(engine.budget({.clicks = 12}, config::Chosen("pixelpick")).regions, 12) << "a point is one click";
  engine.merge(answer(ask(engine)));
  const auto labels = engine.labels();
  ASSERT_GT(labels.clicks, labels.regions) << "no region of two classes among these";
  EXPECT_EQ(engine.budget({.clicks = 12}).regions, 12 * labels.regions / labels.clicks);
}

TEST_F(EngineTest, AStopTokenEndsTrainingAtAStep) {
  Engine engine = make(tiny());
  std::stop_source stop;
  const auto report = engine.train({100, stop.get_token(), [&](const TrainProgress& p) {
                                      if (p.step == 2) stop.request_stop();
                                    }});
  EXPECT_TRUE(report.stopped);
  EXPECT_EQ(report.steps, 2);
}

TEST_F(EngineTest, ABatchOfOneImageTrains) {
  EngineOptions options = tiny();
  options.train.batch_source = 1;
  EXPECT_EQ(make(options).train({2}).steps, 2);
}

TEST_F(EngineTest, TrainingLowersTheLoss) {
  EngineOptions options = tiny();
  options.train.rate = 0.003;
  Engine engine = make(options);
  const double before = engine.train({4}).loss("source");
  engine.train({40});
  EXPECT_LT(engine.train({4}).loss("source"), 0.8 * before);
}

}  // namespace
}  // namespace driftloop::adapt

#include "adapt/engine.h"
#include "adapt/files/safetensors.h"

#include <gmock/gmock.h>

#include <fstream>
#include <opencv2/core.hpp>

#include "config/check.h"
#include "config/durable_file.h"
#include "config/label_space.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {
using testing::HasSubstr;

constexpr const char* kSource = "streetsim:game?frames=6&width=96&height=64";
constexpr const char* kTarget = "streetsim:street?frames=6&seed=3&width=96&height=64";

EngineOptions tiny() {
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

std::vector<Region> ask(Engine& engine, double share = 0.05) {
  return engine.propose(config::Chosen("cover"), engine.budget({.share = share}));
}

/// By this process so far, from anything.
std::int64_t bytes_read() {
  std::string name;
  std::int64_t bytes = 0;
  std::ifstream("/proc/self/io") >> name >> bytes;
  return bytes;
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

/// What follows the trainer's state goes on from it.
EngineOptions with_all_terms() {
  EngineOptions o = tiny();
  o.train.accumulate = 2;
  o.train.copy_paste = 0.7;
  o.train.source_weight_end = 0.3;
  o.train.class_balance = 0.5;
  o.train.freeze = {"encoder.layer1"};
  o.train.horizon_steps = 6;
  o.selftrain.labelled_weight = 1;
  o.selftrain.class_sampling = true;
  o.selftrain.adaptive_cutmix = true;
  o.selftrain.contrast.weight = 0.1;
  o.selftrain.contrast.queries = 16;
  o.selftrain.contrast.negatives = 8;
  return o;
}

TEST_F(EngineTest, AResumedRunIsTheRun) {
  for (const std::string optimiser : {"adamw", "sgd", "all terms"}) {
    EngineOptions options = tiny();
    if (optimiser == "all terms")
      options = with_all_terms();
    else
      options.train.optimiser = optimiser;
    options.guard.enabled = false;
    Engine whole = make(options);
    round(whole, 2);
    round(whole, 4);

    Engine first = make(options);
    round(first, 2);
    first.set_note("after round 1");
    first.save(folder_ / optimiser);
    Engine second = make(options);
    ASSERT_TRUE(second.load(folder_ / optimiser));
    EXPECT_EQ(second.note(), "after round 1");
    EXPECT_EQ(second.step(), 2);
    EXPECT_EQ(second.labels().train_pixels, first.labels().train_pixels);
    second.merge(answer(ask(second)));
    second.train({1});
    second.save(folder_ / optimiser);
    Engine third = make(options);  // stopped in mid-training
    ASSERT_TRUE(third.load(folder_ / optimiser));
    third.train({3});
    third.judge();
    EXPECT_TRUE(weights_of(third) == weights_of(whole)) << optimiser;
  }
}

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
  EXPECT_DOUBLE_EQ(victim.candidate().evaluate(*target_, {}).miou, victim.live().evaluate(*target_, {}).miou);
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

TEST_F(EngineTest, ADamagedCheckpointLeavesTheOneBefore) {
  Engine engine = make(tiny());
  engine.set_note("one");
  engine.save(folder_ / "state");
  engine.set_note("two");
  engine.save(folder_ / "state");
  std::fstream newest(folder_ / "state" / "state_b.safetensors",
                      std::ios::in | std::ios::out | std::ios::binary);
  newest.seekp(100'000);
  newest.put('!');
  newest.close();
  Engine back = make(tiny());
  ASSERT_TRUE(back.load(folder_ / "state"));
  EXPECT_EQ(back.note(), "one");
  EXPECT_FALSE(make(tiny()).load(folder_ / "nothing"));
}

TEST_F(EngineTest, AMemoryOnTopOfAnOlderStateGoesOnAsTheRun) {
  EngineOptions options = tiny();
  options.guard.enabled = false;
  Engine whole = make(options);
  whole.train({2});
  whole.merge(answer(ask(whole)));
  whole.train({3});

  Engine first = make(options);
  first.train({2});
  first.set_note("trained");
  first.save(folder_ / "state");
  const auto chosen = ask(first);
  first.set_note("asked");
  first.save_memory(folder_ / "state");
  first.merge(answer(chosen));
  first.set_note("merged");
  first.save_memory(folder_ / "state");
  first.train({1});  // lost with the power: the weights are those of the state
  Engine second = make(options);
  ASSERT_TRUE(second.load(folder_ / "state"));
  EXPECT_EQ(second.note(), "merged");
  EXPECT_EQ(second.step(), 2);
  EXPECT_EQ(second.labels().train_pixels, whole.labels().train_pixels);
  second.train({3});
  second.judge();
  whole.judge();
  EXPECT_TRUE(weights_of(second) == weights_of(whole));
  second.set_note("later");
  second.save(folder_ / "state");
  Engine third = make(options);
  ASSERT_TRUE(third.load(folder_ / "state"));
  EXPECT_EQ(third.note(), "later") << "an older memory lay on top of a newer state";
}

TEST_F(EngineTest, DamageToAMemoryOrToBothStatesLosesTheLeast) {
  const auto state = folder_ / "state";
  const auto damage = [&](const char* name) {
    std::fstream file(state / name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60);
    file.put('!');
  };
  Engine engine = make(tiny());
  engine.set_note("one");
  engine.save_memory(state);  // the first in a folder is the whole state
  ASSERT_TRUE(make(tiny()).load(state));
  engine.set_note("two");
  engine.save_memory(state);
  ask(engine);
  engine.set_note("three");
  engine.save_memory(state);
  damage("memory_b.safetensors");
  Engine back = make(tiny());
  ASSERT_TRUE(back.load(state));
  EXPECT_EQ(back.note(), "two");
  EXPECT_TRUE(back.asked().empty());
  back.set_note("four");
  back.save_memory(state);
  damage("state_a.safetensors");
  Engine without = make(tiny());
  EXPECT_FALSE(without.load(state));
  EXPECT_EQ(without.note(), "");
  ASSERT_TRUE(without.load_memory(state));
  EXPECT_EQ(without.note(), "four");
  EXPECT_FALSE(make(tiny()).load_memory(folder_ / "nothing"));
}

TEST_F(EngineTest, ADamagedRevisionDoesNotBringBackThePast) {
  Engine engine = make(tiny());
  engine.set_note("one");
  engine.save(folder_ / "state");
  engine.set_note("two");
  engine.save(folder_ / "state");
  const auto seal = folder_ / "state" / "state_a.seal";
  config::write_durably(seal, "9" + config::read_file(seal));
  Engine back = make(tiny());
  ASSERT_TRUE(back.load(folder_ / "state"));
  EXPECT_EQ(back.note(), "two");
  back.set_note("three");
  back.save(folder_ / "state");
  ASSERT_TRUE(back.load(folder_ / "state"));
  EXPECT_EQ(back.note(), "three");
}

TEST_F(EngineTest, ASaveReadsNothingBackAndStoresEqualNetsOnce) {
  const auto state = folder_ / "state";
  Engine engine = make(tiny());
  engine.save(state);
  const auto first = std::filesystem::file_size(state / "state_a.safetensors");
  engine.train({2});
  engine.save(state);
  const auto trained = std::filesystem::file_size(state / "state_b.safetensors");
  EXPECT_LT(3 * first, trained) << "student, teacher and live model are one at the start";
  EXPECT_LE(static_cast<std::int64_t>(trained + std::filesystem::file_size(state / "live_a.safetensors")),
            engine.state_bytes());
  EXPECT_GT(static_cast<std::int64_t>(trained), engine.state_bytes() / 2);
  const std::int64_t before = bytes_read();
  engine.save(state);
  EXPECT_LT(bytes_read() - before, 10'000);
  // A slot that cannot be read any more is no obstacle to the process that wrote it.
  for (const char* name : {"state_a.safetensors", "state_b.safetensors"})
    std::filesystem::resize_file(state / name, 10);
  engine.set_note("third");
  engine.save(state);
  Engine back = make(tiny());
  ASSERT_TRUE(back.load(state));
  EXPECT_EQ(back.note(), "third");
}

/// The live model is a file of its own; each state finds the one that it was saved with.
TEST_F(EngineTest, TheLiveModelIsWrittenOnceAPromotion) {
  const auto state = folder_ / "state";
  EngineOptions options = tiny();
  options.guard.enabled = false;
  Engine engine = make(options);
  engine.train({1});
  engine.judge();
  const std::string first_live = weights_of(engine);
  engine.train({1});
  engine.save(state);
  const auto written = std::filesystem::last_write_time(state / "live_a.safetensors");
  engine.train({1});
  engine.save(state);
  EXPECT_EQ(std::filesystem::last_write_time(state / "live_a.safetensors"), written);
  EXPECT_FALSE(std::filesystem::exists(state / "live_b.safetensors"));
  engine.judge();
  engine.train({1});
  const auto before = folder_ / "before";
  std::filesystem::copy(state, before, std::filesystem::copy_options::recursive);
  engine.save(state);
  // A death after the live model's file and before the state's: the state finds its own live model.
  for (const char* name : {"live_b.safetensors", "live_b.seal"})
    std::filesystem::copy(state / name, before / name);
  Engine back = make(options);
  ASSERT_TRUE(back.load(before));
  EXPECT_TRUE(weights_of(back) == first_live);
  back.judge();
  back.train({1});
  back.save(before);  // must not overwrite what the newest state but one names
  ASSERT_TRUE(back.load(state));
  EXPECT_TRUE(weights_of(back) == weights_of(engine));
  std::filesystem::resize_file(state / "live_b.safetensors", 10);
  ASSERT_TRUE(back.load(state)) << "the live model before it stands in";
  EXPECT_TRUE(weights_of(back) == first_live);
  std::filesystem::resize_file(state / "live_a.safetensors", 10);
  try {
    back.load(state);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot be read"));
  }
  const auto spare = folder_ / "spare.safetensors";
  engine.live().save(spare);
  const auto loaded = back.load(state, spare);
  EXPECT_TRUE(loaded.found && loaded.spare_live);
  EXPECT_TRUE(weights_of(back) == weights_of(engine));
  EXPECT_EQ(back.step(), engine.step());
  back.save(state);
  EXPECT_FALSE(make(options).load(state, spare).spare_live) << "the next save makes it whole again";
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

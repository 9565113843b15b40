// What holds for every arm of the table, and so for one whose line was added today.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "adapt/acquisition/cover.h"
#include "config/check.h"
#include "config/layers.h"
#include "daemon/bench/arm_table.h"
#include "daemon/bench/offline_options.h"

namespace driftloop::daemon {
namespace {
using testing::HasSubstr;

std::string settings(const RunOptions& run) {
  return config::to_yaml(run, config::Comments::none);
}

/// Several strategies, one with options, and a warm-up that asks for nothing.
RunOptions a_run() {
  RunOptions run;
  run.rounds = {{.times = 2, .steps = 30, .strategy = config::Chosen("random"), .budget = {.regions = 0}},
                {.times = 3,
                 .steps = 40,
                 .strategy = config::Chosen("cover", adapt::CoverOptions{.balance = 0.25}),
                 .budget = {.share = 0.01}},
                {.steps = 50, .strategy = config::Chosen("entropy"), .budget = {.regions = 7}}};
  return run;
}

RunOptions of_arm(const std::string& name) {
  return arm_options(a_run(), name);
}

class ArmContract : public testing::TestWithParam<std::string> {};

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const ArmEntry& arm : arm_table()) all.push_back(arm.name);
  return all;
}

TEST_P(ArmContract, IsCalledAndExplainedInWords) {
  const ArmEntry& arm = arm_entry(GetParam());
  EXPECT_EQ(arm.name, GetParam());
  EXPECT_FALSE(arm.title.empty());
  EXPECT_EQ(arm.title.find('_'), std::string::npos) << arm.title;
  EXPECT_GT(arm.explanation.size(), 20u);
  EXPECT_EQ(arm.explanation.back(), '.');
  EXPECT_EQ(arm.explanation.find('\n'), std::string::npos);
  EXPECT_THAT(arm_help(), HasSubstr(arm.explanation));
  const Arm empty = empty_arm(a_run(), GetParam());
  EXPECT_EQ(empty.title, arm.title);
  EXPECT_EQ(empty.role, arm.role);
  EXPECT_TRUE(empty.rounds.empty());
}

TEST_P(ArmContract, ItsSettingsAreAllowedAndChangingThemTwiceChangesNothing) {
  const RunOptions run = of_arm(GetParam());
  RunOptions read;
  ASSERT_NO_THROW(config::apply_text(settings(run), GetParam(), read));
  EXPECT_EQ(settings(read), settings(run));
  RunOptions twice = run;
  arm_entry(GetParam()).change(twice);
  EXPECT_EQ(settings(twice), settings(run));
}

TEST_P(ArmContract, DiffersFromEveryOtherArm) {
  for (const ArmEntry& other : arm_table()) {
    if (other.name == GetParam()) continue;
    EXPECT_NE(settings(of_arm(GetParam())), settings(of_arm(other.name)))
        << GetParam() << " is as " << other.name;
  }
}

TEST_P(ArmContract, AChoiceDiffersInItsStrategyAlone) {
  const ArmEntry& arm = arm_entry(GetParam());
  if (arm.role != Role::choice && arm.role != Role::chance) return;
  RunOptions run = of_arm(GetParam()), plain = a_run();
  plain.engine.train.horizon_steps = run.engine.train.horizon_steps;
  for (std::size_t i = 0; i < plain.rounds.size(); ++i) {
    auto& own = run.rounds.at(i).strategy;
    if (GetParam() != kPlanArm) {
      EXPECT_EQ(own.name(), GetParam());
    }
    if (own.name() == "cover" && plain.rounds[i].strategy.name() == "cover") {
      EXPECT_EQ(own.options<adapt::CoverOptions>().balance, 0.25) << "options that were set stay";
    }
    own = plain.rounds[i].strategy;
  }
  EXPECT_EQ(settings(run), settings(plain));
}

TEST_P(ArmContract, TrainsInAsManyRoundsForAsManySteps) {
  const RunOptions run = of_arm(GetParam());
  for (int number = 1; round_at(a_run().rounds, number) != nullptr; ++number) {
    ASSERT_NE(round_at(run.rounds, number), nullptr) << number;
    EXPECT_EQ(round_at(run.rounds, number)->steps, round_at(a_run().rounds, number)->steps) << number;
  }
  EXPECT_EQ(rounds_of(run.rounds), 6);
  EXPECT_EQ(run.engine.train.horizon_steps, 2 * 30 + 3 * 40 + 50);
}

TEST_P(ArmContract, AsksWhereItsRoleSays) {
  const RunOptions run = of_arm(GetParam());
  std::vector<int> asking;
  for (int number = 1; const RoundOptions* round = round_at(run.rounds, number); ++number)
    if (asks(*round)) asking.push_back(number);
  switch (arm_entry(GetParam()).role) {
    case Role::choice:
    case Role::chance:
      EXPECT_THAT(asking, testing::ElementsAre(3, 4, 5, 6)) << "the warm-up stays one";
      break;
    case Role::ceiling:
      EXPECT_THAT(asking, testing::ElementsAre(1)) << "all at once, before anything is learnt";
      break;
    case Role::control:
      if (run.engine.train.batch_target > 0)
        EXPECT_THAT(asking, testing::ElementsAre(3, 4, 5, 6)) << "it learns from labels";
      else
        EXPECT_THAT(asking, testing::IsEmpty()) << "it learns from no label";
      break;
    default:
      EXPECT_THAT(asking, testing::IsEmpty());
  }
}

TEST_P(ArmContract, IsDoneInOneTraining) {
  RunOptions run = a_run();
  run.arms = names();
  int found = 0;
  for (const auto& arms : trainings(run))
    for (const auto& arm : arms) found += arm == GetParam();
  EXPECT_EQ(found, 1);
}

INSTANTIATE_TEST_SUITE_P(All, ArmContract, testing::ValuesIn(names()),
                         [](const auto& entry) { return entry.param; });

TEST(ArmTable, NamesAreUniqueAndEveryStrategyIsAnArm) {
  const auto all = names();
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
  for (const auto& strategy : adapt::strategy_choices())
    EXPECT_THAT(all, testing::Contains(std::string(strategy.name)));
}

TEST(ArmTable, WhatAVerdictComparesWithIsThereOnce) {
  std::map<Role, int> arms;
  for (const ArmEntry& arm : arm_table()) ++arms[arm.role];
  for (const Role role : {Role::start, Role::alone, Role::chance, Role::ceiling}) EXPECT_EQ(arms[role], 1);
  EXPECT_GE(arms[Role::choice], 1);
}

TEST(ArmTable, TheDefaultAndEveryPresetRunArmsOfTheTable) {
  EXPECT_NO_THROW(check_run(RunOptions(), {}));
  for (const auto& line : config::list_presets()) {
    const std::string preset = line.substr(0, line.find(':'));
    RunOptions run;
    const auto places = config::Layers(preset, "", {}).apply(run);
    EXPECT_NO_THROW(check_run(run, places)) << preset;
    EXPECT_THAT(run.arms, testing::Contains(own_arm(run))) << preset << ": nothing to show pictures of";
  }
}

TEST(ArmTable, WhatDiffersInItsStatisticsAloneIsTrainedOnce) {
  RunOptions run = a_run();
  run.arms = {"random", "adabn", "source_only", "cover"};
  using Arms = std::vector<std::string>;
  EXPECT_THAT(trainings(run),
              testing::ElementsAre(Arms{"random"}, Arms{"adabn", "source_only"}, Arms{"cover"}));
}

TEST(ArmTable, AnArmThatIsThereTwiceIsRefused) {
  RunOptions run = a_run();
  run.arms = {"random", "cover", "random"};
  try {
    check_run(run, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'random' is there twice"));
  }
}

TEST(ArmVariant, IsTheArmItIsLikeButForWhatItSets) {
  RunOptions run = a_run();
  run.variants = {{.name = "quiet_random",
                   .like = "random",
                   .title = "",
                   .explanation = "By lot, without self-training.",
                   .rounds = {{.times = 2, .steps = 7, .budget = {.clicks = 9}}},
                   .set = {"engine.selftrain.weight=0", "engine.acquisition.region_px=1"}}};
  run.arms = {"random", "quiet_random"};
  EXPECT_NO_THROW(check_run(run, {}));
  const RunOptions own = arm_options(run, "quiet_random");
  EXPECT_EQ(own.engine.selftrain.weight, 0);
  EXPECT_EQ(own.engine.acquisition.region_px, 1);
  EXPECT_EQ(own.engine.train.horizon_steps, 14);
  ASSERT_EQ(own.rounds.size(), 1u);
  EXPECT_EQ(own.rounds[0].strategy.name(), "random") << "as the arm it is like";
  EXPECT_EQ(arm_options(run, "random").rounds.size(), 3u) << "the run's own rounds are not touched";
  EXPECT_EQ(trainings(run).size(), 2u);
  const Arm arm = empty_arm(run, "quiet_random");
  EXPECT_EQ(arm.title, "quiet random");
  EXPECT_EQ(arm.explanation, "By lot, without self-training.");
  EXPECT_EQ(arm.role, Role::control) << "the role of chance is one arm's";
}

TEST(ArmVariant, WhatCannotWorkIsRefusedWithItsPlace) {
  const auto refused = [](ArmVariant variant) {
    RunOptions run = a_run();
    run.variants = {std::move(variant)};
    try {
      check_run(run, {});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  ArmVariant good;
  good.name = "mine";
  EXPECT_EQ(refused(good), "");
  const auto with = [&](const auto& change) {
    ArmVariant variant = good;
    change(variant);
    return refused(variant);
  };
  EXPECT_THAT(with([](auto& v) { v.name = "../mine"; }), HasSubstr("variants[0].name '../mine'"));
  EXPECT_THAT(with([](auto& v) { v.name = "random"; }), HasSubstr("is an arm already"));
  EXPECT_THAT(with([](auto& v) { v.like = "randon"; }), HasSubstr("did you mean 'random'"));
  EXPECT_THAT(with([](auto& v) { v.set = {"engine.selftrain.wight=0"}; }), HasSubstr("weight"));
  EXPECT_THAT(with([](auto& v) { v.set = {"source=folder:/x"}; }), HasSubstr("source"));
  EXPECT_THAT(with([](auto& v) { v.rounds = {{.times = std::nullopt}}; }),
              HasSubstr("variants[0].rounds[0].times"));
}

TEST(ArmTable, ARunWithoutASourceNeedsNoneAnywhere) {
  RunOptions run = a_run();
  run.source.clear();
  const auto refused = [&] {
    try {
      check_run(run, {});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  run.arms = {"random"};
  EXPECT_THAT(refused(), HasSubstr("warmup_steps"));
  run.warmup_steps = 0;
  EXPECT_THAT(refused(), HasSubstr("engine.train.batch_source"));
  run.engine.train.batch_source = 0;
  EXPECT_EQ(refused(), "");
  run.arms = {"random", "source_only"};
  EXPECT_THAT(refused(), HasSubstr("'source_only'"));
}

TEST(ArmTable, AnUnknownNameIsToldTheNearest) {
  try {
    arm_entry("self_trainig");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("did you mean 'self_training'"));
  }
}

}  // namespace
}  // namespace driftloop::daemon

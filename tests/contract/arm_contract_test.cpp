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

/// The run whose learner has the arm's settings.
RunOptions of_arm(const std::string& name) {
  RunOptions run;
  run.engine = arm_options(run, name);
  return run;
}

class ArmContract : public testing::TestWithParam<std::string> {};

TEST_P(ArmContract, IsCalledAndExplainedInWords) {
  const ArmEntry& arm = arm_entry(GetParam());
  EXPECT_EQ(arm.name, GetParam());
  EXPECT_FALSE(arm.title.empty());
  EXPECT_EQ(arm.title.find('_'), std::string::npos) << arm.title;
  EXPECT_GT(arm.explanation.size(), 20u);
  EXPECT_EQ(arm.explanation.back(), '.');
  EXPECT_EQ(arm.explanation.find('\n'), std::string::npos);
  EXPECT_THAT(arm_help(), HasSubstr(arm.explanation));
  const Arm empty = empty_arm(GetParam());
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
  arm_entry(GetParam()).change(twice.engine);
  EXPECT_EQ(settings(twice), settings(run));
}

TEST_P(ArmContract, DiffersFromEveryOtherArm) {
  const auto all_of = [](const std::string& name) {
    return (arm_entry(name).labels == Labels::asked ? "asks\n" : "asks nobody\n") + settings(of_arm(name));
  };
  for (const ArmEntry& other : arm_table()) {
    if (other.name == GetParam()) continue;
    EXPECT_NE(all_of(GetParam()), all_of(other.name)) << GetParam() << " is as " << other.name;
  }
}

TEST_P(ArmContract, AChoiceDiffersInItsStrategyAlone) {
  const ArmEntry& arm = arm_entry(GetParam());
  if (arm.role != Role::choice && arm.role != Role::chance) return;
  EXPECT_EQ(arm.labels, Labels::asked);
  RunOptions run = of_arm(GetParam());
  EXPECT_EQ(run.engine.acquisition.strategy.name(), GetParam());
  RunOptions plain;
  plain.engine.train.horizon_steps = run.engine.train.horizon_steps;
  run.engine.acquisition.strategy = plain.engine.acquisition.strategy;
  EXPECT_EQ(settings(run), settings(plain));
}

TEST_P(ArmContract, KeepsTheOptionsOfTheRunsOwnStrategy) {
  if (arm_entry(GetParam()).labels == Labels::none || GetParam() == "full") return;
  RunOptions run;
  const config::Chosen own("cover", adapt::CoverOptions{.balance = 0.25});
  run.engine.acquisition.strategy = own;
  const auto engine = arm_options(run, GetParam());
  if (GetParam() == "cover") {
    EXPECT_EQ(engine.acquisition.strategy.options<adapt::CoverOptions>().balance, 0.25);
  } else {
    EXPECT_EQ(engine.acquisition.strategy.name(), GetParam());
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const ArmEntry& arm : arm_table()) all.push_back(arm.name);
  return all;
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
  for (const auto& arm : RunOptions().arms) EXPECT_NO_THROW(arm_entry(arm));
  for (const auto& line : config::list_presets()) {
    const std::string preset = line.substr(0, line.find(':'));
    RunOptions run;
    config::Layers(preset, "", {}).apply(run);
    for (const auto& arm : run.arms) EXPECT_NO_THROW(arm_entry(arm)) << preset;
  }
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

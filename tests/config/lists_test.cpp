// Lists of structs, parts with options of their own, and values that may be absent.
#include <gmock/gmock.h>

#include "config/check.h"
#include "config/layers.h"
#include "tests/config/sample_plan.h"

namespace driftloop::config::test {
namespace {
using testing::HasSubstr;
using testing::Not;

/// The defaults, `text` as a file, then the command line.
Plan plan_of(const std::string& text, const std::vector<std::string>& sets = {}) {
  Plan plan;
  apply_text(text, "plan.yaml", plan);
  Layers("", "", sets).apply(plan);
  return plan;
}

std::string error_of(const std::string& text, const std::vector<std::string>& sets = {}) {
  try {
    plan_of(text, sets);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Lists, AreReadFromASequenceOfMaps) {
  const Plan plan = plan_of("rounds:\n  - {at: 5, steps: 7}\n  - at: 9\n    tags: [a, b]\n");
  ASSERT_EQ(plan.rounds.size(), 2u);
  EXPECT_EQ(plan.rounds[0].at, 5);
  EXPECT_EQ(plan.rounds[0].steps, 7);
  EXPECT_EQ(plan.rounds[1].at, 9);
  EXPECT_EQ(plan.rounds[1].steps, 100);
  EXPECT_EQ(plan.rounds[1].tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(plan_of("").rounds.size(), 1u);
  EXPECT_EQ(plan_of("rounds:\n").rounds.size(), 1u) << "a blank value is not given";
  EXPECT_TRUE(plan_of("rounds: []").rounds.empty());
}

TEST(Lists, ALaterLayersListReplacesTheEarlierOne) {
  Plan plan = plan_of("rounds: [{at: 1, steps: 2}, {at: 3, steps: 4}]", {"rounds=[{at: 5}]"});
  ASSERT_EQ(plan.rounds.size(), 1u);
  EXPECT_EQ(plan.rounds[0].at, 5);
  EXPECT_EQ(plan.rounds[0].steps, 100) << "an element starts from its defaults, not from the earlier list's";
}

TEST(Lists, TheCommandLineChangesOneElement) {
  const std::string two = "rounds: [{at: 1, steps: 2}, {at: 3, steps: 4}]";
  const Plan plan = plan_of(two, {"rounds[1].steps=50", "rounds[0].strategy.balance=1"});
  ASSERT_EQ(plan.rounds.size(), 2u);
  EXPECT_EQ(plan.rounds[0].steps, 2);
  EXPECT_EQ(plan.rounds[0].strategy.options<CoverOptions>().balance, 1);
  EXPECT_EQ(plan.rounds[1].at, 3);
  EXPECT_EQ(plan.rounds[1].steps, 50);
  EXPECT_THAT(error_of(two, {"rounds[2].steps=50"}),
              HasSubstr("--set rounds[2].steps=50: there is no 'rounds[2]': the list has 2 elements"));
  EXPECT_THAT(error_of(two, {"rounds[0].stps=50"}),
              HasSubstr("unknown key 'rounds[0].stps'; did you mean 'st"));
  EXPECT_THAT(error_of(two, {"rounds.steps=50"}),
              HasSubstr("'rounds' is a list: write rounds=[...], or rounds[0]"));
  EXPECT_THAT(error_of(two, {"rounds[x].steps=50"}),
              HasSubstr("unknown key 'rounds[x]'; did you mean 'rounds'"));
  EXPECT_THAT(error_of(two, {"title[0]=x"}), HasSubstr("'title' must be text"));
  EXPECT_THAT(error_of("rounds: {'[0]': {steps: 3}}"), HasSubstr("'rounds' must be a list, not 'a block'"));
}

TEST(Lists, MistakesInAnElementNameTheirPlace) {
  EXPECT_THAT(error_of("rounds:\n  - at: 1\n  - at: 2\n    stps: 3\n"),
              HasSubstr("plan.yaml:4:5: unknown key 'rounds[1].stps'; did you mean 'steps'"));
  EXPECT_THAT(error_of("rounds:\n  - at: 1\n    at: 2\n"),
              HasSubstr("plan.yaml:3:5: the key 'at' stands here twice"));
  EXPECT_THAT(error_of("rounds:\n  - steps: 0\n"),
              HasSubstr("plan.yaml:2:12: 'rounds[0].steps' must lie in [1, 100000], not 0"));
  EXPECT_THAT(error_of("rounds: 3\n"), HasSubstr("plan.yaml:1:9: 'rounds' must be a list, not '3'"));
  EXPECT_THAT(error_of("rounds: [3]\n"),
              HasSubstr("plan.yaml:1:10: 'rounds[0]' must hold 'key: value' lines"));
  EXPECT_THAT(error_of("rounds: [{}, ~]\n"), HasSubstr("plan.yaml:1:9: 'rounds' has a blank entry"));
  EXPECT_THAT(error_of("{[a]: 3}\n"), HasSubstr("plan.yaml:1:2: a key must be plain text"));
}

TEST(Keys, ThatAreNoMoreSayWhatToWriteInstead) {
  EXPECT_THAT(error_of("speed: 3\n"), HasSubstr("plan.yaml:1:1: unknown key 'speed': it is called rate now"));
  EXPECT_THAT(error_of("speeds: 3\n"), HasSubstr("unknown key 'speeds'; known here: title"))
      << "it is no name";
  EXPECT_THAT(error_of("", {"speed=3"}), HasSubstr("--set speed=3: unknown key 'speed': it is called rate"));
}

TEST(Parts, AreANameOrANameWithItsOptions) {
  EXPECT_EQ(plan_of("strategy: doubt").strategy.name(), "doubt");
  const Plan plan = plan_of("strategy: {name: doubt, measure: margin, floor: 0.5}");
  EXPECT_EQ(plan.strategy.name(), "doubt");
  EXPECT_EQ(plan.strategy.options<DoubtOptions>().measure, "margin");
  EXPECT_EQ(plan.strategy.options<DoubtOptions>().floor, 0.5);
  EXPECT_EQ(plan_of("strategy: random").strategy.name(), "random");
  EXPECT_THROW(plan.strategy.options<CoverOptions>(), CheckError);
}

TEST(Parts, TheSameNameKeepsWhatWasSetAndAnotherStartsAnew) {
  const auto balance = [](const Plan& plan) { return plan.strategy.options<CoverOptions>().balance; };
  EXPECT_EQ(balance(plan_of("")), 0.25) << "the owner's default";
  EXPECT_EQ(balance(plan_of("strategy: cover")), 0.25);
  EXPECT_EQ(balance(plan_of("strategy: {clusters: 3}")), 0.25) << "without a name, the one there is";
  EXPECT_EQ(balance(plan_of("strategy: {balance: 0.75}", {"strategy=cover"})), 0.75);
  EXPECT_EQ(balance(plan_of("strategy: {balance: 0.75}", {"strategy.clusters=3"})), 0.75);
  EXPECT_EQ(balance(plan_of("strategy: doubt", {"strategy=cover"})), 0.5) << "the part's own default";
  EXPECT_EQ(balance(plan_of("strategy: doubt", {"strategy.name=cover"})), 0.5);
  EXPECT_EQ(balance(plan_of("strategy: {name: }")), 0.25);
}

TEST(Parts, OnlyTheChosenOnesOptionsAreAccepted) {
  EXPECT_THAT(error_of("strategy: {name: random, balance: 0.7}"),
              HasSubstr("plan.yaml:1:26: unknown key 'strategy.balance': it is an option of 'cover', not of "
                        "'random'"));
  EXPECT_THAT(error_of("strategy: random", {"strategy.floor=0.5"}), HasSubstr("it is an option of 'doubt'"));
  EXPECT_THAT(
      error_of("strategy: {name: cover, balnce: 0.7}"),
      HasSubstr("unknown key 'strategy.balnce'; did you mean 'balance'? Known here: name balance clusters"));
  EXPECT_THAT(error_of("strategy: covr"),
              HasSubstr("plan.yaml:1:11: strategy 'covr' is not known; did you mean 'cover'"));
  EXPECT_THAT(error_of("strategy: [cover]"), HasSubstr("'strategy' must be a name, or"));
  EXPECT_THAT(error_of("strategy: {name: {}}"), HasSubstr("'strategy' must be a name, or"));
  EXPECT_THAT(error_of("strategy: {name: cover, balance: 7}"),
              HasSubstr("'strategy.balance' must lie in [0, 1]"));
  EXPECT_THAT(error_of("strategy: {name: cover, name: random}"),
              HasSubstr("the key 'name' stands here twice"));
  EXPECT_THAT(error_of("", {"strategy="}), HasSubstr("there is no value"));
}

TEST(Parts, StandInListsToo) {
  const Plan plan = plan_of("losses: [cover, {name: doubt, floor: 0.1}, random]", {"losses[1].floor=0.2"});
  ASSERT_EQ(plan.losses.size(), 3u);
  EXPECT_EQ(plan.losses[0].name(), "cover");
  EXPECT_EQ(plan.losses[1].options<DoubtOptions>().floor, 0.2);
  EXPECT_THAT(error_of("losses:\n  - {floor: 0.1}\n"),
              HasSubstr("plan.yaml:2:5: 'losses[0]' must have a name"));
  EXPECT_THAT(error_of("losses:\n  - random\n  - name: cover\n    floor: 0.1\n"),
              HasSubstr("plan.yaml:4:5: unknown key 'losses[1].floor': it is an option of 'doubt'"));
}

TEST(Parts, AreMadeFromTheirOwnOptions) {
  EXPECT_EQ(make_part(kParts, Chosen("random"), "part", 7), "random 7");
  EXPECT_EQ(make_part(kParts, Chosen("cover"), "part", 7), "cover 64 7");
  EXPECT_EQ(make_part(kParts, plan_of("strategy: {clusters: 5}").strategy, "part", 7), "cover 5 7");
  EXPECT_THROW(make_part(kParts, Chosen("cover", DoubtOptions{}), "part", 7), CheckError);
  try {
    make_part(kParts, Chosen("covr"), "part", 7);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("part 'covr' is not known; did you mean 'cover'"));
  }
}

TEST(Parts, CopiesAreIndependent) {
  const Plan before = plan_of("strategy: {balance: 0.75}");
  Plan after = before;
  apply_text("strategy: {balance: 1}", "later.yaml", after);
  EXPECT_EQ(before.strategy.options<CoverOptions>().balance, 0.75);
  EXPECT_EQ(after.strategy.options<CoverOptions>().balance, 1);
}

TEST(Absent, IsNoneOrNotGiven) {
  EXPECT_EQ(plan_of("").rate, 0.1);
  EXPECT_EQ(plan_of("rate:").rate, 0.1) << "a blank value is not given";
  EXPECT_EQ(plan_of("rate: none").rate, std::nullopt);
  EXPECT_EQ(plan_of("rate: 0").rate, 0) << "0 is a value";
  EXPECT_EQ(plan_of("rate: none", {"rate=2"}).rate, 2);
  EXPECT_EQ(plan_of("rate: 2", {"rate=none"}).rate, std::nullopt);
  EXPECT_EQ(plan_of("rounds: [{}]").rounds[0].budget, std::nullopt);
  EXPECT_EQ(plan_of("rounds: [{budget: 64}]").rounds[0].budget, 64);
  EXPECT_THAT(error_of("rounds: [{budget: 0}]"), HasSubstr("'rounds[0].budget' must lie in [1, "));
  EXPECT_THAT(error_of("rounds: [{budget: nine}]"),
              HasSubstr("'rounds[0].budget' must be a whole number or none, not 'nine'"));
  EXPECT_THAT(error_of("strategy: {name: doubt, floor: .nan}"), HasSubstr("must lie in [0, 1]"));
}

TEST(Places, FollowListsAndParts) {
  Plan plan;
  const auto places =
      Layers("", "", {"rounds=[{at: 1}, {at: 2}]", "rounds[1].at=3", "strategy.balance=1"}).apply(plan);
  EXPECT_EQ(places.of("rounds[0].at"), "--set rounds=[{at: 1}, {at: 2}]");
  EXPECT_EQ(places.of("rounds[1].at"), "--set rounds[1].at=3");
  EXPECT_EQ(places.of("rounds[1].steps"), "");
  EXPECT_EQ(places.of("strategy.balance"), "--set strategy.balance=1");
  const auto replaced =
      Layers("", "", {"rounds=[{at: 1}]", "rounds=[{steps: 3}]", "strategy.balance=1", "strategy=doubt"})
          .apply(plan);
  EXPECT_EQ(replaced.of("rounds[0].at"), "") << "the list that gave it was replaced";
  EXPECT_EQ(replaced.of("strategy.balance"), "") << "another part was chosen";
  EXPECT_EQ(replaced.of("strategy"), "--set strategy=doubt");
}

TEST(Printing, ExplainsTheChosenOnesOptionsAndARepeatedKeyOnce) {
  const std::string text =
      to_yaml(plan_of("rounds: [{}, {}, {strategy: doubt}]\nlosses: [random, {name: doubt, floor: 0.5}]\n"),
              Comments::help);
  EXPECT_EQ(text, R"(title: a plan  # of the plan
rate: 0.1  # per second [a number or none]
strategy:  # how regions are chosen (one of: random cover doubt)
  name: cover  # spread out
  balance: 0.25  # share^-balance [0..1]
  clusters: 64  # clusters at most [1..1000]
rounds:  # what is done when
  - at: 0  # step at which it begins [0..1000000]
    steps: 100  # training steps [1..100000]
    budget: none  # pixels asked for [1.. or none]
    tags: []  # words
    strategy:  # how regions are chosen (one of: random cover doubt)
      name: cover  # spread out
      balance: 0.5  # share^-balance [0..1]
      clusters: 64  # clusters at most [1..1000]
  - at: 0
    steps: 100
    budget: none
    tags: []
    strategy:
      name: cover
      balance: 0.5
      clusters: 64
  - at: 0
    steps: 100
    budget: none
    tags: []
    strategy:
      name: doubt  # where the net is unsure
      floor: none  # doubt at least [0..1 or none]
      measure: entropy  # of doubt (one of: entropy margin)
losses:  # terms of the sum (one of: random cover doubt)
  - random
  - name: doubt  # where the net is unsure
    floor: 0.5  # doubt at least [0..1 or none]
    measure: entropy  # of doubt (one of: entropy margin)
)");
}

TEST(Printing, ALineASetting) {
  EXPECT_THAT(to_lines(plan_of("rounds: [{}]\nlosses: []\nstrategy: random\n")),
              testing::ElementsAre("title: a plan", "rate: 0.1", "strategy: random",
                                   HasSubstr("rounds: [{at: 0, steps: 100, budget: none"), "losses: []"));
  EXPECT_THAT(to_lines(plan_of("")), testing::Contains("strategy.balance: 0.25"));
}

}  // namespace
}  // namespace driftloop::config::test

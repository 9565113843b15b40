// What is written reads back to the same, whatever it was; what is broken is refused with a place.
#include <gmock/gmock.h>

#include <limits>
#include <random>

#include "config/check.h"
#include "config/layers.h"
#include "tests/config/sample_plan.h"

namespace driftloop::config::test {
namespace {

class Dice {
 public:
  explicit Dice(std::uint32_t seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return random_() % n; }
  bool heads() { return below(2) == 0; }

  std::string text() {
    static const std::vector<std::string> kAwkward = {
        "",      "none", "null",   "~",           "true", "-",     "- a",  "a: b",
        "a # b", "[x",   "{x: y}", "'q'",         "\"q",  " x ",   "*a",   "&a",
        "!t",    "%d",   "@",      "`",           "1e3",  ".nan",  "0x1f", "a\nb",
        "\t",    ", ,",  "?",      "caf\xc3\xa9", "<<",   "\x01z", "a\\b", "streetsim:g?a=1&b=2",
        ">",     "|",    "---",    "\r"};
    if (heads()) return kAwkward[below(kAwkward.size())];
    static constexpr char kSome[] = "ab:#,[]{}'\"\\ -?&*!|>%@`\n\t0.~";
    std::string text;
    for (std::size_t n = below(8); n > 0; --n) text += kSome[below(sizeof(kSome) - 1)];
    return text;
  }
  double share() { return std::generate_canonical<double, 53>(random_); }
  double real() {
    static constexpr double kLimit = std::numeric_limits<double>::infinity();
    static const std::vector<double> kAwkward = {0,      -0.0, 1e300,   5e-324,       -kLimit,
                                                 kLimit, 0.1,  1.0 / 3, 123456789.125};
    return heads() ? kAwkward[below(kAwkward.size())]
                   : (share() - 0.5) * std::pow(10, static_cast<double>(below(30)));
  }
  Chosen part() {
    const auto pick = below(4);
    if (pick == 0) return Chosen("random");
    if (pick == 1) return Chosen("cover");
    if (pick == 2) return Chosen("cover", CoverOptions{share(), 1 + static_cast<int>(below(1000))});
    DoubtOptions doubt;
    if (heads()) doubt.floor = share();
    doubt.measure = heads() ? "entropy" : "margin";
    return Chosen("doubt", doubt);
  }
  Round round() {
    Round round;
    round.at = static_cast<std::int64_t>(below(1'000'001));
    round.steps = 1 + static_cast<int>(below(100'000));
    if (heads())
      round.budget = std::numeric_limits<std::int64_t>::max() - static_cast<std::int64_t>(below(9));
    for (std::size_t n = below(4); n > 0; --n) round.tags.push_back(text());
    round.strategy = part();
    return round;
  }
  Plan plan() {
    Plan plan;
    plan.title = text();
    plan.rate = heads() ? std::optional(real()) : std::nullopt;
    plan.strategy = part();
    plan.rounds.clear();
    for (std::size_t n = below(4); n > 0; --n) plan.rounds.push_back(round());
    plan.losses.clear();
    for (std::size_t n = below(4); n > 0; --n) plan.losses.push_back(part());
    return plan;
  }

 private:
  std::mt19937 random_;
};

void expect_same(const Chosen& a, const Chosen& b) {
  ASSERT_EQ(a.name(), b.name());
  if (a.name() == "cover") {
    EXPECT_EQ(a.options<CoverOptions>().balance, b.options<CoverOptions>().balance);
    EXPECT_EQ(a.options<CoverOptions>().clusters, b.options<CoverOptions>().clusters);
  } else if (a.name() == "doubt") {
    EXPECT_EQ(a.options<DoubtOptions>().floor, b.options<DoubtOptions>().floor);
    EXPECT_EQ(a.options<DoubtOptions>().measure, b.options<DoubtOptions>().measure);
  }
}

void expect_same(const Plan& a, const Plan& b) {
  EXPECT_EQ(a.title, b.title);
  EXPECT_EQ(a.rate, b.rate);
  expect_same(a.strategy, b.strategy);
  ASSERT_EQ(a.rounds.size(), b.rounds.size());
  for (std::size_t i = 0; i < a.rounds.size(); ++i) {
    EXPECT_EQ(a.rounds[i].at, b.rounds[i].at);
    EXPECT_EQ(a.rounds[i].steps, b.rounds[i].steps);
    EXPECT_EQ(a.rounds[i].budget, b.rounds[i].budget);
    EXPECT_EQ(a.rounds[i].tags, b.rounds[i].tags);
    expect_same(a.rounds[i].strategy, b.rounds[i].strategy);
  }
  ASSERT_EQ(a.losses.size(), b.losses.size());
  for (std::size_t i = 0; i < a.losses.size(); ++i) expect_same(a.losses[i], b.losses[i]);
}

TEST(RoundTrip, AnyPlanReadsBackOntoAnyOther) {
  for (std::uint32_t seed = 0; seed < 1000; ++seed) {
    Dice dice(seed);
    const Plan plan = dice.plan();
    for (const Comments comments : {Comments::none, Comments::help}) {
      const std::string text = to_yaml(plan, comments);
      SCOPED_TRACE("seed " + std::to_string(seed) + ":\n" + text);
      Plan back = dice.plan();
      // A part of the same name keeps what was set, but everything is written: nothing of it is left.
      ASSERT_NO_THROW(apply_text(text, "written", back));
      expect_same(plan, back);
      EXPECT_EQ(to_yaml(back, comments), text);
      if (HasFailure()) return;
    }
  }
}

TEST(RoundTrip, ABrokenTextIsAnErrorWithItsPlaceAndNothingElse) {
  int refused = 0;
  for (std::uint32_t seed = 0; seed < 1500; ++seed) {
    Dice dice(seed);
    std::string text = to_yaml(dice.plan(), dice.heads() ? Comments::help : Comments::none);
    for (std::size_t n = 1 + dice.below(4); n > 0 && !text.empty(); --n) {
      const std::size_t at = dice.below(text.size());
      if (dice.heads())
        text.erase(at, 1 + dice.below(12));
      else
        text.insert(at, dice.text());
    }
    SCOPED_TRACE("seed " + std::to_string(seed) + ":\n" + text);
    try {
      Plan plan;
      apply_text(text, "broken.yaml", plan);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::StartsWith("broken.yaml:"));
      ++refused;
    } catch (const std::exception& other) {
      ADD_FAILURE() << typeid(other).name() << ": " << other.what();
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace driftloop::config::test

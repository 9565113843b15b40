#include "daemon/options_json.h"

#include <gtest/gtest.h>

#include "tests/config/sample_plan.h"

namespace driftloop::daemon {
namespace {

TEST(OptionsJson, HasListsPartsAndAbsentValues) {
  config::test::Plan plan;
  plan.rate = std::nullopt;
  plan.rounds.resize(2);
  plan.rounds[1].budget = 64;
  plan.rounds[1].strategy = config::Chosen("random");
  plan.losses = {config::Chosen("doubt", config::test::DoubtOptions{.floor = 0.5, .measure = "margin"})};
  EXPECT_EQ(options_json(plan), nlohmann::json::parse(R"({
    "title": "a plan", "rate": null, "strategy": {"name": "cover", "balance": 0.25, "clusters": 64},
    "rounds": [
      {"at": 0, "steps": 100, "budget": null, "tags": [],
       "strategy": {"name": "cover", "balance": 0.5, "clusters": 64}},
      {"at": 0, "steps": 100, "budget": 64, "tags": [], "strategy": {"name": "random"}}],
    "losses": [{"name": "doubt", "floor": 0.5, "measure": "margin"}]})"));
}

}  // namespace
}  // namespace driftloop::daemon

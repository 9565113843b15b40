// Runs put beside each other: what the numbers of the table are, and what is refused.
#include "daemon/report/run_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "config/check.h"
#include "tests/daemon/report/sample_report.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {
using testing::HasSubstr;

FoundRun run_of(std::uint64_t seed, double cover, double random) {
  Report report = test::sample_report();
  report.seed = seed;
  test::set_final(report, "cover", cover);
  test::set_final(report, "random", random);
  return {"runs/" + std::to_string(seed), report};
}

const ArmResult& result_named(const RunTable& table, const std::string& name) {
  for (const auto& result : table.arms)
    if (result.arm.name == name) return result;
  throw CheckError("no arm " + name);
}

TEST(Spread, IsMeanAndDeviationOfTheSample) {
  const Spread spread = spread_of({1, 2, 3, 6});
  EXPECT_DOUBLE_EQ(spread.mean, 3);
  EXPECT_DOUBLE_EQ(spread.deviation, std::sqrt(14.0 / 3));
  EXPECT_TRUE(std::isnan(spread_of({5}).deviation)) << "one value has no spread";
  EXPECT_TRUE(std::isnan(spread_of({}).mean));
}

TEST(Difference, HasStudentsInterval) {
  // Three pairs: t(0.975, 2) = 4.303, deviation 1, so 4.303 / sqrt(3).
  const Difference difference = difference_of({1, 2, 3});
  EXPECT_DOUBLE_EQ(difference.mean, 2);
  EXPECT_NEAR(difference.half_width, 4.303 / std::sqrt(3.0), 1e-9);
  EXPECT_EQ(difference.ahead, 3);
  EXPECT_NEAR(difference_of(std::vector<double>(50, 1.0)).half_width, 0, 1e-12);
  EXPECT_TRUE(std::isnan(difference_of({1}).half_width)) << "one pair says nothing of chance";
}

TEST(RunTable, DifferencesAreSeedBySeed) {
  const auto tables = run_tables({run_of(1, 0.40, 0.30), run_of(2, 0.60, 0.50), run_of(3, 0.50, 0.41)});
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_THAT(tables[0].seeds, testing::ElementsAre(1, 2, 3));
  const ArmResult& cover = result_named(tables[0], "cover");
  EXPECT_NEAR(cover.miou.mean, 0.5, 1e-12);
  EXPECT_NEAR(cover.miou.deviation, 0.1, 1e-12);
  ASSERT_TRUE(cover.against_chance);
  EXPECT_NEAR(cover.against_chance->mean, 0.29 / 3, 1e-12) << "the seeds' own spread is not in it";
  EXPECT_LT(cover.against_chance->half_width, 0.02);
  EXPECT_EQ(cover.against_chance->ahead, 3);
  EXPECT_FALSE(result_named(tables[0], "random").against_chance);
  EXPECT_EQ(cover.of_ceiling.values, 3);
  EXPECT_NEAR(cover.arm.rounds.back().miou, 0.5, 1e-12);
}

TEST(RunTable, ArmsOfOneSeedMayLieInSeveralRuns) {
  FoundRun first = run_of(1, 0.4, 0.3), second = first;
  std::erase_if(first.report.arms, [](const Arm& arm) { return arm.name == "cover"; });
  std::erase_if(second.report.arms, [](const Arm& arm) { return arm.name != "cover"; });
  first.report.config["arms"] = {"random"};
  second.report.config["arms"] = {"cover"};
  const auto tables = run_tables({first, second});
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].arms.size(), test::sample_report().arms.size());
  EXPECT_TRUE(result_named(tables[0], "cover").against_chance);
}

TEST(RunTable, OtherSettingsAreAnotherBenchmark) {
  FoundRun other = run_of(2, 0.4, 0.3);
  other.report.config["warmup_steps"] = 7;
  EXPECT_EQ(run_tables({run_of(1, 0.4, 0.3), other}).size(), 2u);
}

TEST(RunTable, WhatCannotBePutTogetherIsRefusedWithBothFolders) {
  EXPECT_THAT(test::error_of([] { run_tables({run_of(1, 0.4, 0.3), run_of(1, 0.4, 0.3)}); }),
              HasSubstr("twice with seed 1: in runs/1 and runs/1"));
  FoundRun a = run_of(1, 0.4, 0.3), b = run_of(2, 0.4, 0.3);
  a.report.config["variants"] = nlohmann::json::parse(R"([{"name": "cover", "like": "plan"}])");
  EXPECT_THAT(test::error_of([&] { run_tables({a, b}); }), HasSubstr("'cover' has other settings in runs/2"));
  const test::TempFolder folder;
  EXPECT_THAT(test::error_of([&] { find_runs({folder.path()}); }), HasSubstr("no run of driftloop bench"));
  EXPECT_THAT(test::error_of([&] { find_runs({folder / "none"}); }), HasSubstr("no such folder"));
}

TEST(RunTable, PublishedResultsStandInTheColumnOfTheirClasses) {
  FoundRun run = run_of(1, 0.4, 0.3);
  run.report.config["published"] = nlohmann::json::parse(
      R"([{"method": "A", "miou_percent": 70.5}, {"method": "B", "miou_percent": 60, "label_space": "synthia16"},
          {"method": "C", "miou_percent": 50, "label_space": "camvid11"}])");
  const Sheet sheet = sheet_of(run_tables({run}).at(0));
  const auto column = [&](const std::string& head) {
    return static_cast<std::size_t>(std::find(sheet.heads.begin(), sheet.heads.end(), head) -
                                    sheet.heads.begin());
  };
  const auto row = [&](const std::string& name) {
    for (const auto& cells : sheet.rows)
      if (cells[0] == name) return cells;
    return std::vector<std::string>(sheet.heads.size());
  };
  EXPECT_EQ(row("published: A")[column("mIoU")], "70.5");
  EXPECT_EQ(row("published: B")[column("synthia16")], "60.0");
  EXPECT_EQ(row("published: C")[0], "") << "nothing of ours was scored over these classes";
}

TEST(RunTable, TimeOfALabellerIsOfClicksAndOfWholeImages) {
  FoundRun run = run_of(1, 0.4, 0.3);
  Round& last = test::arm_of(run.report, "cover").rounds.back();
  last.clicks = 100;
  last.image_pixels = 2'000'000;
  const auto table = run_tables({run}, {.seconds_per_click = 2, .seconds_per_megapixel = 1000}).at(0);
  EXPECT_NEAR(result_named(table, "cover").labeller_s, 100 * 2 + 2 * 1000, 1e-9);
}

TEST(RunTable, IsTextInColumnsAndAReport) {
  const auto table = run_tables({run_of(1, 0.4, 0.3), run_of(2, 0.5, 0.3)}).at(0);
  const std::string text = text_of(sheet_of(table));
  EXPECT_THAT(text, HasSubstr("2 seeds (1, 2)"));
  EXPECT_THAT(text, HasSubstr("45.0 ± 7.1"));
  const Report report = report_of(table);
  EXPECT_EQ(report.sheets.size(), 1u);
  const test::TempFolder folder;
  write_report(report, folder.path());
  EXPECT_TRUE(read_report(folder.path()) == report);
}

}  // namespace
}  // namespace driftloop::daemon

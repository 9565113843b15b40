// Charts are drawn to scale, inside their frame, and say their numbers.
#include "daemon/report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "daemon/report/format.h"

namespace driftloop::daemon {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// The numbers that `pattern`, with one group, finds.
std::vector<double> numbers(const std::string& svg, const std::string& pattern) {
  std::vector<double> found;
  const std::regex finder(pattern);
  for (std::sregex_iterator it(svg.begin(), svg.end(), finder), end; it != end; ++it)
    found.push_back(std::stod((*it)[1]));
  return found;
}

LineChart two_lines() {
  return {"a label",
          "x",
          "y",
          {{"first", "#111111", Line::Look::course, {{0, 10, "ten"}, {1, 20, "twenty"}, {2, 40, "forty"}}},
           {"second", "#222222", Line::Look::level, {{0, 40.1, ""}, {2, 40.1, ""}}}},
          compact,
          compact};
}

TEST(Chart, TicksAreRoundAndHoldTheRange) {
  EXPECT_THAT(ticks(0, 47, 7), ElementsAre(0, 10, 20, 30, 40, 50));
  EXPECT_THAT(ticks(31, 47, 7), ElementsAre(30, 35, 40, 45, 50));
  EXPECT_THAT(ticks(0, 3, 6), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(ticks(5, 5, 6).front(), 5);
  for (double high : {0.0003, 0.7, 1.0, 9.9, 1234.0, 5e9}) {
    const auto at = ticks(0, high, 7);
    EXPECT_LE(at.size(), 7u) << high;
    EXPECT_GE(at.size(), 3u) << high;
    EXPECT_GE(at.back(), high * (1 - 1e-9)) << high;
  }
}

TEST(Chart, LinesAreDrawnToScale) {
  const std::string svg = line_chart(two_lines());
  // The marks of the first line: twice as far up from 10 to 30 as from 10 to 20.
  const auto x = numbers(svg, "translate\\(([0-9.]+) [0-9.]+\\)\" style=\"fill"),
             y = numbers(svg, "translate\\([0-9.]+ ([0-9.]+)\\)\" style=\"fill");
  ASSERT_EQ(x.size(), 3u);
  EXPECT_NEAR(x[1] - x[0], x[2] - x[1], 0.2);
  EXPECT_NEAR(2 * (y[0] - y[1]), y[1] - y[2], 0.3);
  EXPECT_THAT(svg, HasSubstr("<title>first, twenty</title>"));
  EXPECT_THAT(svg, HasSubstr("class=\"line level\""));
}

TEST(Chart, RoundsAreCountedInWholeNumbers) {
  LineChart chart = two_lines();
  EXPECT_THAT(line_chart(chart), HasSubstr(">0.5</text>"));
  chart.x_steps = LineChart::Steps::whole;
  EXPECT_THAT(line_chart(chart), Not(HasSubstr(">0.5</text>")));
  EXPECT_THAT(line_chart(chart), HasSubstr(">1</text>"));
}

TEST(Chart, NamesAtTheEndsDoNotLieOverEachOther) {
  LineChart chart = two_lines();
  for (int i = 0; i < 6; ++i)
    chart.lines.push_back({"more", "#333333", Line::Look::course, {{0, 1, ""}, {2, 40.0 + 0.01 * i, ""}}});
  auto at = numbers(line_chart(chart), "y=\"([0-9.]+)\" class=\"end\"");
  ASSERT_EQ(at.size(), 8u);
  std::sort(at.begin(), at.end());
  for (std::size_t i = 1; i < at.size(); ++i) EXPECT_GE(at[i] - at[i - 1], 13.0);
  EXPECT_GE(at.front(), 0);
  EXPECT_LE(at.back(), chart.height_px);
}

TEST(Chart, WhatIsNotMeasuredIsNotDrawn) {
  LineChart chart = two_lines();
  chart.lines[0].points[1].y = std::nan("");
  const std::string svg = line_chart(chart);
  EXPECT_EQ(numbers(svg, "translate\\(([0-9.]+) [0-9.]+\\)\" style=\"fill").size(), 2u);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  chart.lines.resize(1);
  for (Point& point : chart.lines[0].points) point.y = std::nan("");
  EXPECT_EQ(line_chart(chart), "");
  EXPECT_EQ(line_chart({}), "");
  EXPECT_EQ(group_chart({}), "");
  EXPECT_EQ(stack_chart({}), "");
}

TEST(Chart, BarsAreAsLongAsTheirValues) {
  const BarChart chart{"l", {"a", "b"}, {{"s", "#111", {10, std::nan("")}}, {"t", "#222", {20, 5}}}, compact};
  const auto heights = numbers(group_chart(chart), "<rect [^>]*height=\"([0-9.]+)\"");
  ASSERT_EQ(heights.size(), 3u);
  EXPECT_NEAR(heights[1], 2 * heights[0], 0.2);
  EXPECT_NEAR(heights[0], 2 * heights[2], 0.2);
  const std::string stacked = stack_chart(chart);
  const auto widths = numbers(stacked, "<rect [^>]*width=\"([0-9.]+)\""),
             starts = numbers(stacked, "<rect x=\"([0-9.]+)\"");
  ASSERT_EQ(widths.size(), 3u);
  EXPECT_NEAR(widths[1], 2 * widths[0], 0.2);
  EXPECT_NEAR(starts[1], starts[0] + widths[0], 0.2);  // end to end
}

TEST(Chart, TextsAreEscaped) {
  LineChart chart = two_lines();
  chart.label = chart.x_title = chart.y_title = chart.lines[0].title = chart.lines[0].colour =
      chart.lines[0].points[0].note = "\"><script>";
  EXPECT_THAT(line_chart(chart), Not(HasSubstr("<script>")));
  const BarChart bars{"\"><script>", {"\"><script>"}, {{"\"><script>", "\"><script>", {1}}}, compact};
  EXPECT_THAT(group_chart(bars) + stack_chart(bars), Not(HasSubstr("<script>")));
}

}  // namespace
}  // namespace driftloop::daemon

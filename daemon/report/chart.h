// Charts as SVG, drawn here: a page needs no script to show them, and every mark says its number when pointed
// at.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace driftloop::daemon {

/// Plain texts; the functions below escape them. A colour is a CSS one: "var(--arm-ceiling)".
struct Point {
  double x = 0, y = 0;
  std::string note;  // shown when it is pointed at
};
struct Line {
  std::string title, colour;
  enum class Look { course, main, level } look = Look::course;  // a level is dashed and bears no marks
  std::vector<Point> points;  // by rising x; one that is not finite is left out
};
struct LineChart {
  std::string label;  // what it shows, for those who cannot see it
  std::string x_title, y_title;
  std::vector<Line> lines;
  std::function<std::string(double)> x_text, y_text;  // of a tick
  enum class Steps { any, whole } x_steps = Steps::any;
  int width_px = 1100, height_px = 360;  // the page scales it to its own width
};
/// "" when no line has a point. The end of each line bears its title.
std::string line_chart(const LineChart& chart);

struct Bars {
  std::string title, colour;
  std::vector<double> values;  // one for each group; one that is not finite has no bar
};
struct BarChart {
  std::string label;
  std::vector<std::string> groups;
  std::vector<Bars> series;
  std::function<std::string(double)> text;  // of a value
};
/// Upright bars side by side in each group. "" when there is no value.
std::string group_chart(const BarChart& chart);
/// Lying bars, one a group, the series end to end. "" when there is no value above 0.
std::string stack_chart(const BarChart& chart);

/// At most `most` round numbers (1, 2 or 5 times a power of ten apart) that begin at or below `low` and end
/// at or above `high`.
std::vector<double> ticks(double low, double high, int most);

}  // namespace driftloop::daemon

#include "daemon/report/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "daemon/report/format.h"

namespace driftloop::daemon {
namespace {

constexpr double kTextPx = 13, kLetterPx = 7;  // height of a line of text, width of a letter, about

std::string px(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  return text.data();
}

std::string text_at(double x, double y, const std::string& text, const std::string& more = "") {
  return "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\"" + more + ">" + escape_html(text) + "</text>";
}

std::string stroke(double x0, double y0, double x1, double y1, const char* kind) {
  return "<line class=\"" + std::string(kind) + "\" x1=\"" + px(x0) + "\" y1=\"" + px(y0) + "\" x2=\"" +
         px(x1) + "\" y2=\"" + px(y1) + "\"/>";
}

std::string bar(double x, double y, double width, double height, const std::string& colour,
                const std::string& note) {
  return "<rect x=\"" + px(x) + "\" y=\"" + px(y) + "\" width=\"" + px(width) + "\" height=\"" + px(height) +
         "\" style=\"fill:" + escape_html(colour) + "\"><title>" + escape_html(note) + "</title></rect>";
}

/// A mark of its own for each line, so that they are told apart without colours as well.
std::string mark(std::size_t line, double x, double y, const std::string& colour, const std::string& note) {
  constexpr std::array kShapes = {"M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0", "M-4,-4h8v8h-8z",
                                  "M0,-5.5L5,4H-5z", "M0,-6L6,0L0,6L-6,0z", "M0,5.5L5,-4H-5z"};
  return "<path d=\"" + std::string(kShapes[line % kShapes.size()]) + "\" transform=\"translate(" + px(x) +
         ' ' + px(y) + ")\" style=\"fill:" + escape_html(colour) + "\"><title>" + escape_html(note) +
         "</title></path>";
}

std::string svg(double width, double height, const std::string& label, const std::string& inside) {
  return "<svg viewBox=\"0 0 " + px(width) + ' ' + px(height) + "\" role=\"img\" aria-label=\"" +
         escape_html(label) + "\">\n" + inside + "</svg>\n";
}

/// From a range of values to a stretch of pixels.
struct Scale {
  double low, high, from_px, to_px;
  double operator()(double value) const { return from_px + (value - low) / (high - low) * (to_px - from_px); }
};

bool finite(const Point& point) {
  return std::isfinite(point.x) && std::isfinite(point.y);
}

/// Where the names of lines stand that end at `ends_px`: each as near as may be, none over another.
std::vector<double> spread(const std::vector<double>& ends_px, double least_px, double most_px) {
  std::vector<std::size_t> order(ends_px.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return ends_px[a] < ends_px[b]; });
  std::vector<double> out(ends_px.size());
  double next = least_px;
  for (std::size_t i : order) {
    out[i] = std::max(next, ends_px[i]);
    next = out[i] + kTextPx + 2;
  }
  double limit = most_px;
  for (auto i = order.rbegin(); i != order.rend(); ++i) {
    out[*i] = std::min(out[*i], limit);
    limit = out[*i] - kTextPx - 2;
  }
  return out;
}

std::string line_svg(const Line& line, std::size_t number, const Scale& x, const Scale& y) {
  std::string way, marks;
  for (const Point& point : line.points) {
    if (!finite(point)) continue;
    way += (way.empty() ? "M" : "L") + px(x(point.x)) + ',' + px(y(point.y));
    if (line.look != Line::Look::level)
      marks += mark(number, x(point.x), y(point.y), line.colour, line.title + ", " + point.note);
  }
  const char* look = line.look == Line::Look::main    ? "line main"
                     : line.look == Line::Look::level ? "line level"
                                                      : "line";
  return "<path class=\"" + std::string(look) + "\" d=\"" + way +
         "\" style=\"stroke:" + escape_html(line.colour) + "\"><title>" + escape_html(line.title) +
         "</title></path>" + marks + '\n';
}

std::size_t longest(const std::vector<std::string>& texts) {
  std::size_t letters = 0;
  for (const std::string& text : texts) letters = std::max(letters, text.size());
  return letters;
}

struct Extent {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

std::string ends_svg(const std::vector<const Line*>& lines, const Scale& y, double right_px) {
  std::vector<double> ends;
  for (const Line* line : lines) {
    const auto last = std::find_if(line->points.rbegin(), line->points.rend(), finite);
    ends.push_back(y(last->y) + kTextPx / 3);
  }
  const std::vector<double> at = spread(ends, y.to_px + kTextPx / 3, y.from_px);
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i)
    out += text_at(right_px, at[i], lines[i]->title,
                   " class=\"end\" style=\"fill:" + escape_html(lines[i]->colour) + "\"");
  return out + '\n';
}

std::string upright_axis(const std::vector<double>& at, const Scale& y, double left_px, double right_px,
                         const std::function<std::string(double)>& text) {
  std::string out;
  for (double value : at)
    out += stroke(left_px, y(value), right_px, y(value), "grid") +
           text_at(left_px - 8, y(value) + kTextPx / 3, text(value), " class=\"tick\" text-anchor=\"end\"");
  return out + '\n';
}

}  // namespace

std::vector<double> ticks(double low, double high, int most) {
  if (!(high > low)) high = low + 1;
  double step = std::pow(10.0, std::floor(std::log10((high - low) / most)));
  for (int i = 0;; ++i) {
    const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
    if (last - first + 1 <= most) {
      std::vector<double> out;
      for (double k = first; k <= last; ++k) out.push_back(k * step);
      return out;
    }
    step *= i % 3 == 1 ? 2.5 : 2;  // 1, 2, 5, 10
  }
}

std::string line_chart(const LineChart& chart) {
  std::vector<const Line*> lines;
  Extent xs, ys;
  std::size_t letters = 0;
  for (const Line& line : chart.lines) {
    if (std::none_of(line.points.begin(), line.points.end(), finite)) continue;
    lines.push_back(&line);
    letters = std::max(letters, line.title.size());
    for (const Point& point : line.points)
      if (finite(point)) xs.take(point.x), ys.take(point.y);
  }
  if (lines.empty()) return {};
  // From 0, unless all lines lie far above it: then their differences could not be seen.
  const std::vector<double> y_at = ticks(ys.low < ys.high / 2 ? 0 : ys.low, ys.high, 7);
  const std::vector<double> x_at = ticks(xs.low, xs.high, 6);
  const double width = chart.width_px, height = chart.height_px, left = 58,
               right = width - 26 - kLetterPx * static_cast<double>(letters);
  const Scale y{y_at.front(), y_at.back(), height - 50, 14};
  const Scale x{xs.low, std::max(xs.high, xs.low + 1e-9), left, right};
  std::string out = upright_axis(y_at, y, left, right, chart.y_text);
  const double slack = 0.02 * (xs.high - xs.low);  // for a last tick that the line all but reaches
  for (double value : x_at)
    if (value >= xs.low - slack && value <= xs.high + slack &&
        (chart.x_steps == LineChart::Steps::any || value == std::round(value)))
      out += text_at(x(value), height - 30, chart.x_text(value), " class=\"tick\" text-anchor=\"middle\"");
  out += text_at((left + right) / 2, height - 8, chart.x_title, " class=\"axis\" text-anchor=\"middle\"") +
         text_at(0, 0, chart.y_title,
                 " class=\"axis\" text-anchor=\"middle\" transform=\"translate(13 " + px(height / 2 - 18) +
                     ") rotate(-90)\"") +
         '\n';
  for (std::size_t i = 0; i < lines.size(); ++i) out += line_svg(*lines[i], i, x, y);
  return svg(width, height, chart.label, out + ends_svg(lines, y, right + 12));
}

std::string group_chart(const BarChart& chart) {
  Extent values;
  for (const Bars& bars : chart.series)
    for (double value : bars.values)
      if (std::isfinite(value)) values.take(value);
  if (!std::isfinite(values.high)) return {};
  const std::vector<double> at = ticks(0, values.high, 7);
  constexpr double kWidth = 1100, kLeft = 58, kHeight = 330;
  const double foot = 20 + 0.6 * kLetterPx * static_cast<double>(longest(chart.groups));
  const Scale y{0, at.back(), kHeight, 14};
  const double group = (kWidth - kLeft) / static_cast<double>(chart.groups.size());
  const double each = 0.8 * group / static_cast<double>(chart.series.size());
  std::string out = upright_axis(at, y, kLeft, kWidth, chart.text);
  for (std::size_t g = 0; g < chart.groups.size(); ++g) {
    const double start = kLeft + group * (static_cast<double>(g) + 0.1);
    for (std::size_t s = 0; s < chart.series.size(); ++s) {
      const Bars& bars = chart.series[s];
      const double value = bars.values.at(g);
      if (!std::isfinite(value)) continue;
      out += bar(start + each * static_cast<double>(s), y(value), 0.92 * each, y(0) - y(value), bars.colour,
                 chart.groups[g] + ", " + bars.title + ": " + chart.text(value));
    }
    out += text_at(0, 0, chart.groups[g],
                   " class=\"tick\" text-anchor=\"end\" transform=\"translate(" + px(start + 0.45 * group) +
                       ' ' + px(kHeight + 16) + ") rotate(-35)\"") +
           '\n';
  }
  return svg(kWidth, kHeight + foot, chart.label, out);
}

std::string stack_chart(const BarChart& chart) {
  double longest_bar = 0;
  for (std::size_t g = 0; g < chart.groups.size(); ++g) {
    double sum = 0;
    for (const Bars& bars : chart.series) sum += std::isfinite(bars.values.at(g)) ? bars.values[g] : 0;
    longest_bar = std::max(longest_bar, sum);
  }
  if (longest_bar <= 0) return {};
  constexpr double kWidth = 1100, kRowPx = 34, kBarPx = 22;
  const double left = 20 + kLetterPx * static_cast<double>(longest(chart.groups));
  const double foot = kRowPx * static_cast<double>(chart.groups.size()) + 6;
  const std::vector<double> at = ticks(0, longest_bar, 7);
  const Scale x{0, at.back(), left, kWidth - 50};
  std::string out;
  for (double value : at)
    out += stroke(x(value), 0, x(value), foot, "grid") +
           text_at(x(value), foot + 18, chart.text(value), " class=\"tick\" text-anchor=\"middle\"");
  for (std::size_t g = 0; g < chart.groups.size(); ++g) {
    const double top = kRowPx * static_cast<double>(g) + 6;
    double done = 0;
    for (const Bars& bars : chart.series) {
      const double value = bars.values.at(g);
      if (!std::isfinite(value) || value <= 0) continue;
      out += bar(x(done), top, x(done + value) - x(done), kBarPx, bars.colour,
                 chart.groups[g] + ", " + bars.title + ": " + chart.text(value));
      done += value;
    }
    out += text_at(left - 10, top + 16, chart.groups[g], " class=\"name\" text-anchor=\"end\"") + '\n';
  }
  return svg(kWidth, foot + 26, chart.label, out);
}

}  // namespace driftloop::daemon

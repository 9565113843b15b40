#include "daemon/report/page.h"

#include <algorithm>
#include <cmath>

#include "daemon/report/assets.h"
#include "daemon/report/format.h"
#include "daemon/report/page_parts.h"
#include "daemon/report/verdict.h"

namespace driftloop::daemon {
namespace {
using nlohmann::json;

constexpr std::size_t kPageBytes = 4'000'000;
constexpr std::size_t kTextReserve = 100'000;  // what is added after the pictures

/// JSON that may stand inside a <script>: no "<" can end the element or open a comment.
std::string script_json(const json& value) {
  std::string out;
  for (char c : value.dump(-1, ' ', false, json::error_handler_t::replace))
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  return out;
}

/// What the charts draw: report.json without what they do not need, plus titles, roles and colours.
std::string chart_data(const Report& report, const std::vector<ArmView>& arms) {
  constexpr const char* kRoles[] = {"source_only", "self_training", "random", "strategy", "full"};
  const json document = to_json(report);
  json out = {{"pool_pixels", report.pool_pixels}, {"arms", json::array()}, {"classes", json::array()}};
  for (std::size_t i = 0; i < arms.size(); ++i)
    out["arms"].push_back({{"title", arms[i].title},
                           {"role", kRoles[static_cast<int>(arms[i].role)]},
                           {"colour", arms[i].colour},
                           {"rounds", document["arms"][i]["rounds"]}});
  for (const ClassView& view : class_views(report)) out["classes"].push_back(view.name);
  return script_json(out);
}

std::string tile(const std::string& value, const std::string& label) {
  return "<div class=\"tile\"><b>" + value + "</b><span>" + label + "</span></div>";
}

std::string tiles(const Report& report) {
  const Arm* strategy = find_arm(report, Role::strategy);
  if (!strategy) return {};
  const double mine = final_miou(*strategy);
  std::string out = tile(points(mine) + " %", "mIoU with " + escape_html(strategy->name));
  if (const Arm* source = find_arm(report, Role::source_only))
    out += tile(signed_points(mine - final_miou(*source)), "points against source only");
  if (const Arm* random = find_arm(report, Role::random))
    out += tile(signed_points(mine - final_miou(*random)), "points against random regions");
  if (const Arm* full = find_arm(report, Role::full); full && final_miou(*full) > 0)
    out += tile(percent(mine / final_miou(*full)), "of full supervision");
  const Round& last = *last_measured(*strategy);
  if (report.pool_pixels > 0)
    out += tile(percent(static_cast<double>(last.labelled_pixels) / static_cast<double>(report.pool_pixels)),
                "of the pool's pixels labelled");
  if (last.bytes_sent > 0) out += tile(bytes(last.bytes_sent), "sent by the vehicle");
  return "<div class=\"tiles\">" + out + "</div>\n";
}

std::string header(const Report& report) {
  constexpr const char* kClasses[] = {"helped", "even", "lost", "unknown"};
  const Verdict verdict = judge(report);
  std::string out = "<header><h1>" + escape_html(report.title) + "</h1>\n<p class=\"quiet\">";
  if (!report.source.empty() || !report.target.empty())
    out += escape_html(report.source) + " → " + escape_html(report.target) + ". ";
  if (!report.budget.empty()) out += "Budget: " + escape_html(report.budget) + ".";
  out += "</p>\n<div class=\"verdict " + std::string(kClasses[static_cast<int>(verdict.outcome)]) +
         "\"><h2>" + escape_html(verdict.headline) + "</h2><p>" + escape_html(verdict.sentence) + "</p><ul>";
  for (const std::string& detail : verdict.details) out += "<li>" + escape_html(detail) + "</li>";
  return out + "</ul></div>\n" + tiles(report) + "</header>\n";
}

std::string canvas(const std::string& id, const std::string& label, const std::string& height) {
  return "<div class=\"chart " + height + "\"><canvas id=\"" + id + "\" role=\"img\" aria-label=\"" + label +
         "\"></canvas></div>\n";
}

bool any_sent(const Report& report) {
  return std::any_of(report.arms.begin(), report.arms.end(), [](const Arm& arm) {
    return std::any_of(arm.rounds.begin(), arm.rounds.end(), [](const Round& r) { return r.bytes_sent > 0; });
  });
}

std::string results(const Report& report, const std::vector<ArmView>& arms) {
  std::string out =
      "<section id=\"rounds\"><h2>mIoU per round</h2>\n"
      "<p class=\"quiet\">mIoU is the mean over the classes of intersection / union, 100 % is perfect. After "
      "round 0 nothing of the target has been learned yet; in every later round regions are labelled and "
      "the net learns on.</p>\n" +
      canvas("chart-rounds", "mIoU per round, a line per arm", "tall") + results_table(report, arms) +
      "<p class=\"note\">R0, R1, …: mIoU in % after that round. Pixels, regions and what was sent are totals "
      "of the "
      "whole arm. A click on a heading sorts.</p>" +
      "</section>\n<section id=\"arms\"><h2>What is compared</h2>\n" + arms_section(arms) +
      "</section>\n<section id=\"cost\"><h2>What it cost</h2>\n<p class=\"quiet\">The steeper a line rises, "
      "the more each label bought." +
      std::string(find_arm(report, Role::full) ? " Full supervision, dashed, needs every pixel of the pool."
                                               : "") +
      "</p>\n<div class=\"pair\">" + canvas("chart-pixels", "mIoU against labelled pixels", "middle");
  if (any_sent(report)) out += canvas("chart-bytes", "mIoU against bytes sent", "middle");
  out += "</div>\n";
  if (!any_sent(report)) out += "<p class=\"note\">Nothing was sent over a link in this run.</p>\n";
  return out + "</section>\n<section id=\"classes\"><h2>Classes after the last round</h2>\n" +
         canvas("chart-classes", "IoU per class, a bar per arm", "tall") + classes_table(report, arms) +
         "<p class=\"note\">IoU in %; – where the class does not occur. A click on a heading "
         "sorts.</p></section>\n";
}

std::string time_and_guard(const std::vector<ArmView>& arms) {
  std::string out;
  if (const std::string times = time_table(arms); !times.empty())
    out += "<section id=\"time\"><h2>Time per stage</h2>\n" +
           canvas("chart-time", "seconds per stage, a bar per arm", "middle") +
           "<details><summary>As a table</summary>" + times + "</details></section>\n";
  if (const std::string guard = guard_table(arms); !guard.empty())
    out +=
        "<section id=\"guard\"><h2>Decisions of the guard</h2>\n<p class=\"quiet\">A candidate model goes "
        "live only if it is not worse on labelled regions that it never trained on.</p>\n" +
        guard + "</section>\n";
  return out;
}

std::string origin(const Report& report) {
  std::string facts;
  const auto fact = [&](const std::string& name, const std::string& value) {
    if (!value.empty())
      facts += "<tr><th scope=\"row\">" + name + "</th><td>" + escape_html(value) + "</td></tr>";
  };
  fact("Seed", std::to_string(report.seed));
  fact("Revision", report.revision);
  fact("Device", report.device);
  fact("Command", report.command);
  fact("Created", report.created);
  fact("Label space", report.label_space);
  fact("Pool", report.pool_pixels > 0 ? count(report.pool_pixels) + " pixels" : "");
  std::string notes;
  for (const std::string& note : report.notes) notes += "<li>" + escape_html(note) + "</li>";
  return "<section id=\"origin\"><h2>How to repeat it</h2>\n<table class=\"facts\"><tbody>" + facts +
         "</tbody></table>\n" + (notes.empty() ? "" : "<ul>" + notes + "</ul>\n") +
         "<details><summary>Effective configuration</summary><pre>" +
         escape_html(report.config.dump(2, ' ', false, json::error_handler_t::replace)) +
         "</pre></details>\n<p class=\"note\">The same numbers, for scripts: <code>report.json</code> beside "
         "this page. "
         "Charts: Chart.js, MIT licence.</p></section>\n";
}

}  // namespace

std::string render_page(const Report& report) {
  const std::vector<ArmView> arms = arm_views(report);
  // The policy lets the browser fetch nothing at all, whatever a report may hold.
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" "
      "href=\"data:,\">\n"
      "<title>" +
      escape_html(report.title) + "</title>\n<style>\n" + std::string(assets::page_css()) +
      "</style></head>\n<body><main>\n" + header(report) +
      "<noscript><p class=\"note\">The charts need JavaScript; every number is in the "
      "tables.</p></noscript>\n" +
      results(report, arms) + time_and_guard(arms);
  const std::string end = origin(report) + "</main>\n<script type=\"application/json\" id=\"data\">" +
                          chart_data(report, arms) + "</script>\n<script>" + std::string(assets::chart_js()) +
                          "</script>\n<script>" + std::string(assets::page_js()) +
                          "</script>\n</body></html>\n";
  const std::size_t text = page.size() + end.size() + kTextReserve;
  return page + pictures_section(report, text < kPageBytes ? kPageBytes - text : 0) + end;
}

}  // namespace driftloop::daemon

// report.html: self-contained, escaped, readable without JavaScript.
#include "daemon/report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <regex>
#include <set>

#include "daemon/report/assets.h"
#include "daemon/report/format.h"
#include "daemon/report/page_view.h"
#include "daemon/report/pictures.h"
#include "tests/daemon/report/sample_report.h"

namespace driftloop::daemon {
namespace {
using test::sample_report;
using testing::HasSubstr;
using testing::Not;

/// The page as a browser without scripts and pictures shows it: no charts, no script, no data.
std::string tables_alone(const Report& report) {
  const std::string page = render_page(report);
  return std::regex_replace(page, std::regex("<(svg|script|style)[^>]*>[^]*?</\\1>"), "");
}

TEST(Page, FetchesNothing) {
  Report report = sample_report();
  report.pictures = {test::sample_picture(1)};
  const std::string page = render_page(report);
  for (const char* forbidden : {"http:", "https:", "@import", "url(", "fetch(", "XMLHttpRequest", "<iframe"})
    EXPECT_THAT(page, Not(HasSubstr(forbidden)));
  const std::regex sources("(src|href)=\"([^\"]{0,5})");
  int seen = 0;
  for (std::sregex_iterator it(page.begin(), page.end(), sources), end; it != end; ++it, ++seen)
    EXPECT_EQ((*it)[2], "data:");
  EXPECT_EQ(seen, 7);  // six panels and the icon
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(std::string(assets::page_js()), Not(HasSubstr("</script")));
}

TEST(Page, EscapesEverythingItWasGiven) {
  const std::string evil = "</script><img src=x onerror=\"alert(1)\">&'";
  Report report = sample_report();
  report.title = report.source = report.target = report.budget = report.revision = report.device =
      report.command = report.created = report.label_space = evil;
  report.notes = {evil};
  report.config = {{evil, evil}};
  report.strategy = evil;
  report.pictures = {test::sample_picture(1)};
  report.pictures[0].title = report.pictures[0].caption = report.pictures[0].panels[0].name = evil;
  Arm& arm = test::arm_of(report, "cover");
  arm.name = arm.title = arm.explanation = arm.weights = arm.error = evil;
  arm.settings = {{evil, evil}};
  for (Round& round : arm.rounds) {
    round.guard_note = evil;
    round.per_class_iou[evil] = 0.5;
    round.seconds[evil] = 1.0;
  }
  const std::string page = render_page(report);
  EXPECT_THAT(page, Not(HasSubstr("<img src=x")));
  EXPECT_THAT(page, HasSubstr("&lt;/script&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;&#39;"));
  // One script was opened and one is closed.
  const std::size_t closed = page.find("</script");
  ASSERT_NE(closed, std::string::npos);
  EXPECT_EQ(page.find("</script", closed + 1), std::string::npos);
}

TEST(Page, TextThatIsNotUtf8DoesNotStopTheReport) {
  Report report = sample_report();
  report.device = "caf\xe9";
  report.config = {{"folder", "caf\xe9"}};
  test::arm_of(report, "random").settings = {{"folder", "caf\xe9"}};
  EXPECT_THAT(render_page(report), HasSubstr("</html>"));
}

TEST(Page, TablesHoldTheFigures) {
  Report report = sample_report();
  const std::string page = render_page(report);
  for (const char* figure :
       {">41.2<", "25.4 points above", "83 %", ">1\u202f228<", ">2.1 MB<", ">37.5 ms<", ">1.3 GB<",
        "rolled back", "guard mIoU 31.0 after 33.5", "acquisition.strategy = &quot;random&quot;"})
    EXPECT_THAT(page, HasSubstr(figure)) << figure;
  EXPECT_THAT(page, HasSubstr("background:#804080"));  // road
}

TEST(Page, EveryNumberOfTheChartsIsInTheTables) {
  Report report = sample_report();
  const std::string page = tables_alone(report);
  EXPECT_THAT(page, Not(HasSubstr("<svg")));
  for (const Arm& arm : report.arms) {
    std::map<std::string, double> seconds;
    for (const Round& round : arm.rounds) {
      EXPECT_THAT(page, HasSubstr('>' + points(round.miou) + '<')) << arm.name << ' ' << round.round;
      if (round.labelled_pixels > 0) {
        EXPECT_THAT(page, HasSubstr('>' + count(round.labelled_pixels) + '<')) << arm.name;
        EXPECT_THAT(page, HasSubstr('>' + bytes(round.bytes_sent) + '<')) << arm.name;
      }
      for (const auto& [stage, spent] : round.seconds) seconds[stage] += spent;
    }
    for (const auto& [name, iou] : arm.rounds.back().per_class_iou)
      EXPECT_THAT(page, HasSubstr('>' + points(iou) + '<')) << arm.name << ' ' << name;
    for (const auto& [stage, spent] : seconds)
      EXPECT_THAT(page, HasSubstr('>' + duration(spent) + '<')) << arm.name << ' ' << stage;
  }
}

TEST(Page, ChartsNeedNoScript) {
  const std::string page = render_page(sample_report());
  for (const char* chart : {"mIoU per round", "mIoU against labelled pixels", "mIoU against bytes sent",
                            "IoU per class", "seconds per stage"})
    EXPECT_TRUE(std::regex_search(page, std::regex("<svg [^>]*aria-label=\"" + std::string(chart)))) << chart;
  EXPECT_THAT(page, Not(HasSubstr("<canvas")));
}

TEST(Page, TheGuardsRuleIsTheOneItFollows) {
  Report report = sample_report();
  EXPECT_THAT(render_page(report), HasSubstr("by more than the tolerance and one standard error"));
  report.config["engine"]["guard"]["tolerance"] = 0.01;
  EXPECT_THAT(render_page(report), HasSubstr("by more than 1.0 points and one standard error"));
  report.config["engine"]["guard"]["enabled"] = false;
  EXPECT_THAT(render_page(report), HasSubstr("No labelled regions are held out"));
  EXPECT_THAT(render_page(report), Not(HasSubstr("standard error")));
}

/// The names between {{ and }} of a template, without their sigils; comments left out.
std::set<std::string> tags(std::string_view text) {
  std::set<std::string> found;
  const std::string all(text);
  const std::regex tag("\\{\\{\\{?([#^/>!]?)\\s*([^{}]*?)\\s*\\}?\\}\\}");
  for (std::sregex_iterator it(all.begin(), all.end(), tag), end; it != end; ++it)
    if ((*it)[1] != "!") found.insert((*it)[2]);
  return found;
}

void collect_keys(const nlohmann::json& value, std::set<std::string>& keys) {
  if (value.is_object())
    for (const auto& [key, held] : value.items()) keys.insert(key);
  for (const auto& held : value)
    if (held.is_structured()) collect_keys(held, keys);
}

TEST(Page, TheTemplateAndItsValuesAgree) {
  Report report = sample_report();
  report.sheets = {{"Seeds", "two of them", {"Arm", "mIoU"}, {{"cover", "45.0"}}}};
  std::set<std::string> used;
  for (const auto text : {assets::page_mustache(), assets::table_mustache(), assets::panels_mustache(),
                          assets::legend_mustache()})
    used.merge(tags(text));
  // What render_page() adds: styles, script, pictures and the parts themselves.
  std::set<std::string> known = {"css",     "js",         "lesson",   "has_pictures", "pictures",
                                 "a_table", "the_panels", "a_legend", "left_out"};
  collect_keys(page_view(report), known);
  collect_keys(picture_view(test::sample_picture(0)), known);
  EXPECT_EQ(used, known) << "a mistyped tag shows nothing, and nobody is told";
}

TEST(Page, TheFirstPictureComesFirst) {
  Report report = sample_report();
  report.pictures = {test::sample_picture(1), test::sample_picture(2)};
  report.pictures[0].title = "What changed";
  const std::string page = render_page(report);
  EXPECT_LT(page.find("What changed"), page.find("mIoU per round"));
  EXPECT_GT(page.find(report.pictures[1].title), page.find("mIoU per round"));
}

TEST(Page, MissingArmsAndEmptyReportsRender) {
  EXPECT_THAT(render_page(Report{}), HasSubstr("No arm chose regions"));
  Report report = sample_report();
  report.arms = {test::arm_of(report, "cover")};
  report.arms[0].rounds.clear();
  report.arms[0].error = "killed";
  report.label_space = "a space of the future";
  EXPECT_THAT(render_page(report), HasSubstr("Did not finish: killed"));
}

TEST(Page, StaysBelowFourMegabytes) {
  Report report = sample_report();
  cv::Mat noise(320, 640, CV_8UC3);
  cv::randu(noise, 0, 256);
  const Panel panel = photo("noise", noise);
  for (int i = 0; i < 40; ++i) report.pictures.push_back({"row", "", {panel, panel}});
  const std::string page = render_page(report);
  EXPECT_LT(page.size(), 4'000'000U);
  EXPECT_GT(page.size(), 3'000'000U);
  EXPECT_THAT(page, HasSubstr(" more rows lie in the folder"));
}

TEST(Format, Numbers) {
  EXPECT_EQ(points(0.41249), "41.2");
  EXPECT_EQ(points(std::nan("")), "–");
  EXPECT_EQ(signed_points(-0.021), "−2.1");
  EXPECT_EQ(signed_points(0.0001), "0.0");
  EXPECT_EQ(percent(0.0025), "0.25 %");
  EXPECT_EQ(percent(0.022), "2.2 %");
  EXPECT_EQ(percent(0.831), "83 %");
  EXPECT_EQ(percent(0.0), "0 %");
  EXPECT_EQ(count(1234567), "1\u202f234\u202f567");
  EXPECT_EQ(count(123), "123");
  EXPECT_EQ(bytes(0), "0 B");
  EXPECT_EQ(bytes(999), "999 B");
  EXPECT_EQ(bytes(1234567), "1.2 MB");
  EXPECT_EQ(bytes(123456), "123 kB");
  EXPECT_EQ(duration(0.31), "0.3 s");
  EXPECT_EQ(duration(192), "3 min 12 s");
  EXPECT_EQ(duration(59.7), "1 min 00 s");
  EXPECT_EQ(duration(7300), "2 h 02 min");
}

TEST(Format, Base64AsInRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64(std::string_view("\xff\xfe\x00", 3)), "//4A");
}

TEST(Format, Slug) {
  EXPECT_EQ(slug("Prediction, before (teacher)"), "prediction-before-teacher");
  EXPECT_EQ(slug("../etc/passwd"), "etc-passwd");
  EXPECT_EQ(slug("é"), "x");
}

}  // namespace
}  // namespace driftloop::daemon

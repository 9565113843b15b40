// report.html: self-contained, escaped, readable without JavaScript.
#include "daemon/report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "daemon/report/assets.h"
#include "daemon/report/format.h"
#include "daemon/report/pictures.h"
#include "tests/daemon/report/sample_report.h"

namespace driftloop::daemon {
namespace {
using test::sample_report;
using testing::HasSubstr;
using testing::Not;

/// The page without the embedded library, which names its home page in its licence comment.
std::string own_part(const Report& report) {
  std::string page = render_page(report);
  const std::size_t at = page.find(assets::chart_js());
  EXPECT_NE(at, std::string::npos) << "the library is not in the page";
  return page.erase(at, assets::chart_js().size());
}

TEST(Page, FetchesNothing) {
  Report report = sample_report();
  report.pictures = {test::sample_picture(1)};
  const std::string page = own_part(report);
  for (const char* forbidden : {"http:", "https:", "@import", "url(", "fetch(", "XMLHttpRequest", "<iframe"})
    EXPECT_THAT(page, Not(HasSubstr(forbidden)));
  const std::regex sources("(src|href)=\"([^\"]{0,5})");
  int seen = 0;
  for (std::sregex_iterator it(page.begin(), page.end(), sources), end; it != end; ++it, ++seen)
    EXPECT_EQ((*it)[2], "data:");
  EXPECT_EQ(seen, 7);  // six panels and the icon
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(std::string(assets::chart_js()), Not(HasSubstr("</script")));
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
  arm.name = arm.weights = arm.error = evil;
  arm.settings = {{evil, evil}};
  for (Round& round : arm.rounds) {
    round.guard_note = evil;
    round.per_class_iou[evil] = 0.5;
    round.seconds[evil] = 1.0;
  }
  const std::string page = own_part(report);
  EXPECT_THAT(page, Not(HasSubstr("<img src=x")));
  EXPECT_THAT(page, HasSubstr("&lt;/script&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;&#39;"));
  // Three scripts were opened (data, library, page) and so many are closed.
  std::size_t closed = 0;
  for (std::size_t at = page.find("</script"); at != std::string::npos; at = page.find("</script", at + 1))
    ++closed;
  EXPECT_EQ(closed, 3U);
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
  const std::string page = own_part(report);
  for (const char* figure : {">41.2<", "25.4 points above", "83 %", ">1\u202f228<", ">2.1 MB<", "rolled back",
                             "guard mIoU 31.0 after 33.5", "acquisition.strategy = &quot;random&quot;"})
    EXPECT_THAT(page, HasSubstr(figure)) << figure;
  EXPECT_THAT(page, HasSubstr("background:#804080"));  // road
  EXPECT_THAT(page, HasSubstr("<noscript>"));
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

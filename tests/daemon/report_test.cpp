// report.json: what goes in comes out, and what is wrong is said.
#include "daemon/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "config/check.h"
#include "config/durable_file.h"
#include "tests/daemon/report/sample_report.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {
using nlohmann::json;
using test::sample_report;
using testing::HasSubstr;

template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Report, ReadsBackWhatItWrote) {
  const test::TempFolder folder;
  Report report = sample_report();
  report.arms[1].error = "no space left";
  report.pictures = {test::sample_picture(3), test::sample_picture(4)};
  write_report(report, folder / "run");
  EXPECT_EQ(read_report(folder / "run"), report);
  EXPECT_TRUE(std::filesystem::exists(folder / "run" / "report.html"));
}

TEST(Report, EqualityIsOfContent) {
  const Report report = sample_report();
  Report other = report;
  EXPECT_EQ(other, report);  // with NaN in it
  other.arms[3].rounds[1].per_class_iou["road"] += 1e-9;
  EXPECT_FALSE(other == report);
  Report first = report, second = report;
  first.pictures = second.pictures = {test::sample_picture(1)};
  EXPECT_EQ(first, second);
  second.pictures[0].panels[0].bytes.back() = '!';
  EXPECT_FALSE(first == second);
}

TEST(Report, NotMeasuredIsNull) {
  Report report = sample_report();
  report.arms[3].rounds[0].miou = std::nan("");
  const json document = json::parse(to_json(report).dump());
  EXPECT_TRUE(document["arms"][3]["rounds"][0]["miou"].is_null());
  EXPECT_TRUE(document["arms"][3]["rounds"][1]["per_class_iou"]["train"].is_null());
  const Report back = from_json(document, ".");
  EXPECT_TRUE(std::isnan(back.arms[3].rounds[0].miou));
  EXPECT_TRUE(std::isnan(back.arms[3].rounds[1].per_class_iou.at("train")));
}

TEST(Report, HasTheKeysThatScriptsRelyOn) {
  const json document = to_json(sample_report());
  EXPECT_EQ(document["seed"], 7);
  EXPECT_EQ(document["config"]["acquisition"]["strategy"], "cover");
  ASSERT_EQ(document["arms"].size(), 5U);
  const json& arm = document["arms"][3];
  EXPECT_EQ(arm["name"], "cover");
  EXPECT_EQ(arm["weights"], "arms/cover/model.safetensors");
  const json& round = arm["rounds"][4];
  EXPECT_EQ(round["round"], 4);
  EXPECT_DOUBLE_EQ(round["miou"].get<double>(), 0.412);
  EXPECT_TRUE(round["per_class_iou"]["road"].is_number());
  EXPECT_EQ(round["labelled_pixels"], 4 * 307 * 64);
  EXPECT_EQ(round["regions"], 4 * 307);
  EXPECT_EQ(round["bytes_sent"], 4 * 307 * 1730);
  EXPECT_EQ(round["steps"], 600);
  EXPECT_DOUBLE_EQ(round["seconds"]["evaluate"].get<double>(), 6.25);
}

TEST(Report, RefusesToWriteWhatIsOutOfRange) {
  Report percent = sample_report();
  test::set_final(percent, "cover", 41.2);
  EXPECT_THROW(to_json(percent), CheckError);
  Report negative = sample_report();
  negative.arms[0].rounds[0].bytes_sent = -1;
  EXPECT_THROW(to_json(negative), CheckError);
}

TEST(Report, SaysWhereADocumentIsWrong) {
  const json good = to_json(sample_report());
  json missing = good;
  missing["arms"][1]["rounds"][2].erase("miou");
  EXPECT_THAT(error_of([&] { from_json(missing, "."); }), HasSubstr("arms[1].rounds[2].miou is missing"));
  json percent = good;
  percent["arms"][0]["rounds"][0]["miou"] = 15.8;
  EXPECT_THAT(error_of([&] { from_json(percent, "."); }),
              HasSubstr("arms[0].rounds[0].miou must be in 0..1, not 15.8"));
  json word = good;
  word["arms"][0]["rounds"][0]["steps"] = "many";
  EXPECT_THAT(error_of([&] { from_json(word, "."); }),
              HasSubstr("must be a whole number >= 0, not \"many\""));
  json unknown_guard = good;
  unknown_guard["arms"][3]["rounds"][2]["guard"] = "perhaps";
  EXPECT_THAT(error_of([&] { from_json(unknown_guard, "."); }), HasSubstr("promoted, rolled_back or none"));
  json role = good;
  role["arms"][0]["role"] = "hero";
  EXPECT_THAT(error_of([&] { from_json(role, "."); }),
              HasSubstr("arms[0].role must be one of start, alone, chance, choice, ceiling, control"));
  json outside = good;
  outside["pictures"] = {
      {{"title", ""}, {"caption", ""}, {"panels", {{{"name", "x"}, {"file", "../../secret.png"}}}}}};
  EXPECT_THAT(error_of([&] { from_json(outside, "."); }), HasSubstr("inside the folder of the report"));
  EXPECT_THAT(error_of([&] { from_json(json::array(), "."); }), HasSubstr("must be an object"));
}

TEST(Report, KeysOfLaterVersionsAreSkipped) {
  json document = to_json(sample_report());
  document["weather"] = "rain";
  document["arms"][0]["rounds"][0]["naps"] = 12;
  EXPECT_EQ(from_json(document, "."), sample_report());
}

TEST(Report, AnArmWithoutRoleAndTitleIsAChoiceOfItsName) {
  json document = to_json(sample_report());
  for (const char* key : {"role", "title", "explanation"}) document["arms"][0].erase(key);
  const Report report = from_json(document, ".");
  EXPECT_EQ(report.arms[0].role, Role::choice);
  EXPECT_EQ(report.arms[0].title, "");
}

TEST(Report, NamesTheFileItCannotRead) {
  const test::TempFolder folder;
  EXPECT_THAT(error_of([&] { read_report(folder.path()); }), HasSubstr((folder / "report.json").string()));
  std::ofstream(folder / "report.json") << "{\"seed\": 7, ";
  EXPECT_THAT(error_of([&] { read_report(folder.path()); }), HasSubstr("is not JSON"));
  Report report = sample_report();
  report.pictures = {test::sample_picture(0)};
  write_part(report, folder.path());
  std::filesystem::remove_all(folder / "pictures");
  EXPECT_THAT(error_of([&] { read_report(folder.path()); }), HasSubstr("00-0-frame.jpg"));
}

TEST(Report, AFolderThatCannotBeWrittenIsOneLine) {
  const test::TempFolder folder;
  std::ofstream(folder / "file") << "in the way";
  const std::string message = error_of([&] { write_report(sample_report(), folder / "file" / "run"); });
  EXPECT_THAT(message, HasSubstr((folder / "file").string()));
  EXPECT_THAT(message, testing::Not(HasSubstr("\n")));
}

TEST(Report, PartsOfArmsBecomeOneReport) {
  const test::TempFolder folder;
  const Report whole = sample_report();
  std::vector<std::filesystem::path> parts;
  for (const Arm& arm : whole.arms) {
    Report part = whole;
    part.arms = {arm};
    part.arms[0].settings.clear();
    part.arms[0].weights = "model.safetensors";
    if (arm.name == "random") part.config["acquisition"]["strategy"] = "random";
    if (arm.name == "cover") part.pictures = {test::sample_picture(5)};
    parts.push_back(std::filesystem::path("arms") / arm.name);
    write_part(part, folder / parts.back());
  }
  Report expected = whole;
  expected.pictures = {test::sample_picture(5)};
  const Report merged = read_parts(folder.path(), parts);
  EXPECT_EQ(to_json(merged), to_json(expected));
  EXPECT_EQ(merged, expected);
}

TEST(Report, PartsThatDoNotBelongTogetherAreRefused) {
  const Report first = sample_report();
  Report other = first;
  EXPECT_THAT(error_of([&] { merge({first, other}); }), HasSubstr("source_only is in two of them"));
  other.arms.resize(1);
  other.arms[0].name = "ripu";
  other.seed = 8;
  EXPECT_THAT(error_of([&] { merge({first, other}); }), HasSubstr("arm ripu has seed 8, the first part 7"));
  EXPECT_THAT(error_of([&] { read_parts("nowhere", {}); }), HasSubstr("nothing to report"));
}

}  // namespace
}  // namespace driftloop::daemon

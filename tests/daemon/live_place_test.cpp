// The saved place, the state folder and the files in it that others read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "config/check.h"
#include "config/durable_file.h"
#include "daemon/live/live_place.h"
#include "daemon/live/live_status.h"
#include "daemon/live/state_folder.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {
using testing::HasSubstr;

TEST(Place, ComesBackWhole) {
  Place place;
  place.round = 4;
  place.stage = Stage::train;
  place.pending = {{std::string(64, 'a'), 17, 3, 12.5}, {std::string(64, 'b'), 18, 4}};
  place.strategy = "cover";
  place.asked_this_round = 9;
  place.coded_regions = 31;
  place.coded_bytes = 90'000;
  place.merged_row = 1'000'000'000'000;
  place.train_until = 800;
  place.bytes_sent = 5;
  place.bytes_received = 6;
  place.seconds = {1, 2, 3, 4, 5, 0.1};
  place.last_record = R"({"round":3})";
  place.live_record = R"({"round":2})";
  place.ask_fund = {{{40, 3600.5}, {10, 0}}, 1'800'000'000.25, 86'400.5};
  EXPECT_EQ(decode_place(encode_place(place)), place);
  EXPECT_EQ(decode_place(""), Place{});
}

TEST(Place, APlaceBeforeRegionsHadIdsIsRead) {
  Place place;
  place.pending = {{std::string(64, 'a'), 17, 3, 12.5}};
  auto j = nlohmann::json::parse(encode_place(place));
  j["version"] = 1;
  j["pending"][0][1] = 16;  // the index of the seventeenth region
  EXPECT_EQ(decode_place(j.dump()), place);
}

TEST(Place, ForeignTextIsRefused) {
  EXPECT_THROW(decode_place("no json"), Error);
  EXPECT_THROW(decode_place("{}"), Error);
  auto j = nlohmann::json::parse(encode_place({}));
  j["version"] = 99;
  try {
    decode_place(j.dump());
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("version 99"));
  }
  j["version"] = 1;
  j["stage"] = 5;
  j.erase("round");
  EXPECT_THROW(decode_place(j.dump()), Error);
}

TEST(StateFolder, HasOneOwnerAtATime) {
  const test::TempFolder folder;
  {
    const StateFolder first(folder / "state");
    try {
      const StateFolder second(folder / "state");
      FAIL() << "two owners";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("in use by another driftloopd"));
    }
  }
  EXPECT_NO_THROW(StateFolder(folder / "state"));
}

TEST(StateFolder, UnusableFolderIsNamed) {
  const test::TempFolder folder;
  config::write_durably(folder / "file", "x");
  try {
    const StateFolder state(folder / "file" / "state");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("file"));
  }
}

TEST(Rounds, EachIsWrittenOnceAndATornLineIsDropped) {
  const test::TempFolder folder;
  const auto file = folder / "rounds.jsonl";
  EXPECT_TRUE(read_rounds(file).empty());
  append_round(file, R"({"round":1})");
  append_round(file, R"({"round":1})");
  std::ofstream(file, std::ios::app) << R"({"round":2,"ste)";
  append_round(file, R"({"round":2})");
  append_round(file, R"({"round":1})");
  EXPECT_THAT(read_rounds(file), testing::ElementsAre(R"({"round":1})", R"({"round":2})"));
  EXPECT_THROW(append_round(file, "{}"), CheckError);
}

TEST(LiveStatus, FileFollowsThePhaseAndTotalsSurviveARestart) {
  const test::TempFolder folder;
  const auto file = folder / "status.json";
  const auto read = [&] { return nlohmann::json::parse(config::read_file(file)); };
  {
    LiveStatus status(file);
    LinkStatus link;
    link.report.totals.bytes_sent = 700;
    link.report.state = uplink::LinkReport::State::up;
    link.report.problem = "odd";
    link.pending_regions = 4;
    status.link(link);
    LoopStatus loop;
    loop.phase = "training";
    loop.round = 2;
    loop.step = 30;
    status.loop(loop);
    const auto j = read();
    EXPECT_EQ(j["phase"], "training");
    EXPECT_EQ(j["round"], 2);
    EXPECT_EQ(j["bytes_sent"], 700);
    EXPECT_EQ(j["pending_regions"], 4);
    EXPECT_EQ(j["link"]["connected"], true);
    EXPECT_EQ(j["link"]["message"], "odd");
    EXPECT_THAT(status.line(), HasSubstr("training, round 2, step 30"));
    loop.step = 31;
    status.loop(loop);
    EXPECT_EQ(read()["step"], 30) << "a step alone waits for the next second";
    status.write(std::chrono::steady_clock::now(), LiveStatus::Ending::stopped);
    EXPECT_EQ(read()["step"], 31);
    EXPECT_EQ(read()["running"], false);
  }
  LiveStatus next(file);
  EXPECT_EQ(next.bytes_sent(), 700);
  next.at_least(900, 0);
  EXPECT_EQ(next.bytes_sent(), 900);
}

TEST(LiveStatus, APhaseAloneKeepsTheCounts) {
  const test::TempFolder folder;
  LiveStatus status(folder / "status.json");
  LoopStatus loop;
  loop.phase = "training";
  loop.round = 2;
  loop.labels = 40;
  status.loop(loop);
  status.loop_phase("degraded", "no such device");
  const auto j = nlohmann::json::parse(config::read_file(folder / "status.json"));
  EXPECT_EQ(j["phase"], "degraded");
  EXPECT_EQ(j["message"], "no such device");
  EXPECT_EQ(j["round"], 2);
  EXPECT_EQ(j["labels"], 40);
}

TEST(LiveStatus, DamagedFileIsNoObstacle) {
  const test::TempFolder folder;
  config::write_durably(folder / "status.json", "{\"bytes_sent\": ");
  LiveStatus status(folder / "status.json");
  EXPECT_EQ(status.bytes_sent(), 0);
}

}  // namespace
}  // namespace driftloop::daemon

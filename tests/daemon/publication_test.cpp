#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "config/check.h"
#include "config/digest.h"
#include "config/durable_file.h"
#include "daemon/live/manifest.h"
#include "daemon/live/publication.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {
namespace fs = std::filesystem;

class PublicationTest : public testing::Test {
 protected:
  void publish(int round, const std::string& content) {
    publication_.publish({{"round", round}},
                         [&](const fs::path& file) { config::write_durably(file, content); });
  }
  nlohmann::json manifest() const {
    return nlohmann::json::parse(config::read_file(publication_.manifest()));
  }
  Publication::Hook hook(const std::string& command, int seconds = 20) {
    return publication_.run_hook(
        command, std::chrono::seconds(seconds), stop_.get_token(), [&] { ++alive_; }, words_);
  }
  std::size_t shelved() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(state_ / "published"))
      count += entry.path().filename().string().starts_with("round_");
    return count;
  }

  test::TempFolder state_;
  Publication publication_{state_.path()};
  std::stop_source stop_;
  std::string words_;
  int alive_ = 0;
};

TEST_F(PublicationTest, ModelAndManifestBelongTogether) {
  EXPECT_EQ(publication_.round(), std::nullopt);
  publish(0, "first");
  EXPECT_EQ(publication_.round(), 0);
  publish(3, "second");
  EXPECT_EQ(publication_.round(), 3);
  EXPECT_EQ(config::read_file(publication_.weights()), "second");
  EXPECT_EQ(manifest()["sha256"], config::sha256_hex("second"));
  EXPECT_EQ(manifest()["bytes"], 6);
  EXPECT_EQ(manifest()["file"], "model.safetensors");
}

TEST_F(PublicationTest, AReaderThatResolvedTheLinkKeepsAWholePair) {
  publish(1, "one");
  const fs::path reader = fs::canonical(publication_.folder());
  publish(2, "two");
  EXPECT_EQ(config::read_file(reader / "model.safetensors"), "one");
  EXPECT_EQ(nlohmann::json::parse(config::read_file(reader / "manifest.json"))["round"], 1);
  for (int round = 3; round < 12; ++round) publish(round, std::to_string(round));
  EXPECT_EQ(shelved(), 2u) << "the live one and the one before";
}

TEST_F(PublicationTest, ReadersNeverSeeAHalfOfEither) {
  publish(0, std::string(100'000, 'a'));
  std::jthread writer([&](const std::stop_token& stop) {
    for (int round = 1; !stop.stop_requested(); ++round)
      publish(round, std::string(100'000, static_cast<char>('a' + round % 26)));
  });
  int seen = 0;
  for (int i = 0; i < 300; ++i) {
    std::error_code gone;
    const fs::path there = fs::canonical(publication_.folder(), gone);
    ASSERT_FALSE(gone) << "the link is always there";
    std::ifstream about_file(there / "manifest.json");
    std::ifstream model_file(there / "model.safetensors", std::ios::binary);
    if (!about_file || !model_file) continue;  // two publications went by since: look again
    const auto about = nlohmann::json::parse(about_file);
    const std::string model{std::istreambuf_iterator<char>(model_file), {}};
    ASSERT_EQ(about["sha256"], config::sha256_hex(model));
    ++seen;
  }
  EXPECT_GT(seen, 0);
}

TEST_F(PublicationTest, ADamagedModelIsNoPublication) {
  publish(4, "good");
  config::write_durably(publication_.weights(), "gooD");
  EXPECT_EQ(publication_.round(), std::nullopt);
  publish(4, "good");
  EXPECT_EQ(publication_.round(), 4);
}

TEST_F(PublicationTest, AFailureLeavesTheLiveModel) {
  publish(1, "good");
  EXPECT_THROW(publication_.publish({{"round", 2}}, [](const fs::path&) { throw Error("the disk is full"); }),
               Error);
  EXPECT_EQ(publication_.round(), 1);
  publish(2, "better");
  EXPECT_EQ(publication_.round(), 2);
}

TEST_F(PublicationTest, AnOnnxFileIsPartOfWhatBelongsTogether) {
  const auto write = [](const char* content) {
    return [content](const fs::path& file) { config::write_durably(file, content); };
  };
  publication_.publish({{"round", 1}, {"onnx", {{"opset", 17}}}}, write("weights"), write("graph"));
  EXPECT_EQ(publication_.round(), 1);
  EXPECT_EQ(config::read_file(publication_.folder() / "model.onnx"), "graph");
  EXPECT_EQ(manifest()["onnx"]["file"], "model.onnx");
  EXPECT_EQ(manifest()["onnx"]["sha256"], config::sha256_hex("graph"));
  EXPECT_EQ(manifest()["onnx"]["bytes"], 5);
  EXPECT_EQ(manifest()["onnx"]["opset"], 17);
  EXPECT_EQ(static_cast<unsigned>(fs::status(publication_.folder() / "model.onnx").permissions()) & 0777,
            0640u);
  // One that cannot be written leaves what is live.
  EXPECT_THROW(publication_.publish({{"round", 2}}, write("weights 2"),
                                    [](const fs::path&) { throw Error("the disk is full"); }),
               Error);
  EXPECT_EQ(publication_.round(), 1);
  config::write_durably(publication_.folder() / "model.onnx", "grap");
  EXPECT_EQ(publication_.round(), std::nullopt) << "damaged: to be published anew";
  publication_.publish({{"round", 3}}, write("weights 3"));
  EXPECT_FALSE(fs::exists(publication_.folder() / "model.onnx")) << "of an older model";
  EXPECT_FALSE(manifest().contains("onnx"));
}

TEST_F(PublicationTest, TheServicesGroupMayReadIt) {
  publish(1, "model");
  const auto mode = [](const fs::path& path) {
    return static_cast<unsigned>(fs::status(path).permissions()) & 0777;
  };
  EXPECT_EQ(mode(publication_.weights()), 0640u);
  EXPECT_EQ(mode(publication_.manifest()), 0640u);
  EXPECT_EQ(mode(fs::canonical(publication_.folder())), 0750u);
}

TEST_F(PublicationTest, TheHookGetsFolderAndRoundAndRunsOncePerModel) {
  publish(7, "model");
  EXPECT_FALSE(publication_.hook_done());
  EXPECT_EQ(hook("cp \"$DRIFTLOOP_LIVE/model.safetensors\" '" + (state_ / "copy").string() +
                 "' && echo round $DRIFTLOOP_ROUND"),
            Publication::Hook::succeeded);
  EXPECT_EQ(config::read_file(state_ / "copy"), "model");
  EXPECT_THAT(words_, testing::HasSubstr("round 7"));
  EXPECT_TRUE(publication_.hook_done());
  publish(8, "another");
  EXPECT_FALSE(publication_.hook_done());
}

TEST_F(PublicationTest, AFailingHookIsSaidAndNotRepeated) {
  publish(1, "model");
  EXPECT_EQ(hook("echo the consumer is away; exit 3"), Publication::Hook::failed);
  EXPECT_THAT(words_, testing::HasSubstr("the consumer is away"));
  EXPECT_TRUE(publication_.hook_done());
}

TEST_F(PublicationTest, AHangingHookIsKilledAndAStopEndsItAtOnce) {
  publish(1, "model");
  EXPECT_EQ(hook("sleep 600", 1), Publication::Hook::failed);
  EXPECT_THAT(words_, testing::HasSubstr("1 s"));
  EXPECT_GT(alive_, 3) << "the watchdog is fed meanwhile";
  publish(2, "model 2");
  stop_.request_stop();
  EXPECT_EQ(hook("sleep 600"), Publication::Hook::stopped);
  EXPECT_FALSE(publication_.hook_done()) << "it runs at the next start";
}

TEST(Manifest, SaysWhatAProgramNeedsToRunTheModel) {
  DaemonOptions options;
  options.vehicle_id = "car7";
  options.engine.input.work_long_side_px = 512;
  const adapt::Model model(adapt::spec_of(options.engine), {"cpu", 1}, 1);
  const auto start = manifest_of(options, model, nullptr);
  EXPECT_EQ(start["round"], 0);
  EXPECT_TRUE(start["guard"].is_null());
  EXPECT_EQ(start["classes"].size(), 19u);
  EXPECT_EQ(start["classes"][0], "road");
  EXPECT_EQ(start["ignore_id"], 255);
  EXPECT_EQ(start["model"]["name"], "deeplabv3plus_r18");
  EXPECT_EQ(start["preprocessing"]["work_long_side_px"], 512);
  EXPECT_NEAR(start["preprocessing"]["mean"][0].get<double>(), 123.675, 1e-3);
  EXPECT_FALSE(start.contains("onnx"));
  options.loop.live_onnx = "320x192";
  EXPECT_EQ(manifest_of(options, model, nullptr)["onnx"]["input"]["shape"], (nlohmann::json{1, 192, 320, 3}));
  const auto later = manifest_of(options, model,
                                 {{"round", 5},
                                  {"steps", 1000},
                                  {"verdict", "promoted"},
                                  {"live_score", 0.5},
                                  {"candidate_score", 0.6},
                                  {"guard_pixels", 4096},
                                  {"guard_note", "text"}});
  EXPECT_EQ(later["round"], 5);
  EXPECT_EQ(later["step"], 1000);
  EXPECT_EQ(later["guard"]["score"], 0.6);
  EXPECT_EQ(later["guard"]["score_before"], 0.5);
}

}  // namespace
}  // namespace driftloop::daemon

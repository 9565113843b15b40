// Every bad setting is named with its key, and all of them at once.
#include "daemon/live/options_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <opencv2/imgcodecs.hpp>

#include "adapt/engine.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "daemon/live/start_weights.h"
#include "tests/support/temp_folder.h"
#include "uplink/keys.h"

namespace driftloop::daemon {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

class NoFrames : public adapt::FramePool {
 public:
  std::vector<adapt::PoolFrame> frames() const override { return {}; }
  cv::Mat image_rgb(const std::string&) const override { return {}; }
};

class OptionsCheck : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new test::TempFolder;
    uplink::save_keys(uplink::generate_keys(), shared_->path(), "car7");
    uplink::save_keys(uplink::generate_keys(), shared_->path(), "station");
    fs::create_directories(*shared_ / "drive");
    cv::imwrite((*shared_ / "drive" / "a.png").string(), cv::Mat(48, 64, CV_8UC3, cv::Scalar(90, 90, 90)));
    NoFrames no_frames;
    adapt::Engine(small_net(), nullptr, no_frames, 1).live().save(*shared_ / "start.safetensors");
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }
  void SetUp() override {
    for (const char* variable : {"STATE_DIRECTORY", "CREDENTIALS_DIRECTORY"}) unsetenv(variable);
  }

  static adapt::EngineOptions small_net() {
    adapt::EngineOptions options;
    options.device = "cpu";
    options.model.width = 0.0625;
    return options;
  }
  static std::string in_shared(const char* name) { return (*shared_ / name).string(); }

  DaemonOptions good() {
    DaemonOptions o = read_options("", {"vehicle_id=car7", "state=" + (folder_ / "state").string()});
    o.camera.uri = "images://" + in_shared("drive");
    o.link.station_public_key = in_shared("station.pub");
    o.link.secret_key_file = in_shared("car7.key");
    o.engine = small_net();
    o.loop.weights = in_shared("start.safetensors");
    o.store.quota_bytes = o.store.ballast_bytes + (2 << 20);
    return o;
  }
  std::string file(const char* name, const std::string& text, unsigned mode = 0644) {
    config::write_durably(folder_ / name, text, mode);
    return (folder_ / name).string();
  }
  static std::string text_of(const Findings& found) {
    std::string text;
    for (const auto& one : found)
      text += std::string(level_name(one.level)) + ' ' + one.what + ": " + one.text + '\n';
    return text;
  }

  test::TempFolder folder_;

 private:
  static inline test::TempFolder* shared_ = nullptr;
};

struct Bad {
  const char* key;
  Finding::Level level;
  std::string words;
  std::function<void(DaemonOptions&)> spoil;
};

TEST_F(OptionsCheck, GoodSettingsHaveNoFinding) {
  EXPECT_EQ(text_of(find_problems(good())), "");
  EXPECT_FALSE(fs::exists(folder_ / "state")) << "looking made something";
}

TEST_F(OptionsCheck, EachBadSettingIsNamedWithItsKey) {
  using enum Finding::Level;
  const std::string junk = file("junk.safetensors", "these are no weights");
  const std::string plain = file("plain", "x");
  const std::string bad_key = file("bad.key", "not a key\n", 0600);
  const std::string open_key = file("open.key", config::read_file(in_shared("car7.key")), 0644);
  fs::create_directories(folder_ / "empty");
  const std::string nowhere = (folder_ / "nowhere").string();
  using O = DaemonOptions;
  const std::vector<Bad> table = {
      {"camera.uri", fail, "did you mean 'rtsp'", [](O& o) { o.camera.uri = "rstp://1.2.3.4/x"; }},
      {"camera.uri", fail, "no source", [](O& o) { o.camera.uri = "/dev/video0"; }},
      {"camera.uri", fail, nowhere, [&](O& o) { o.camera.uri = "images://" + nowhere; }},
      {"camera.uri", fail, "no .jpg",
       [&](O& o) { o.camera.uri = "images://" + (folder_ / "empty").string(); }},
      {"camera.uri", fail, "no file", [&](O& o) { o.camera.uri = "file://" + nowhere + ".mkv"; }},
      {"camera.uri", fail, "widht", [](O& o) { o.camera.uri = "test://ball?widht=320"; }},
      {"camera.uri", fail, "nosuchelement", [](O& o) { o.camera.uri = "nosuchelement ! fakesink"; }},
      {"camera.uri", fail, "both width and height",
       [](O& o) { o.camera.uri = "test://ball", o.camera.width = 320; }},
      {"camera.uri", warn, "plugged in", [&](O& o) { o.camera.uri = "v4l2://" + nowhere; }},
      {"camera.uri", fail, "set camera.uri", [](O& o) { o.camera.uri.clear(); }},
      {"engine.device", fail, "'tpu' is no device", [](O& o) { o.engine.device = "tpu"; }},
      {"engine.device", fail, "'cuda:x' is no device", [](O& o) { o.engine.device = "cuda:x"; }},
      {"engine.device", fail, "cuda:99", [](O& o) { o.engine.device = "cuda:99"; }},
      {"link.station_endpoint", fail, "tcp://host:port", [](O& o) { o.link.station_endpoint = "nonsense"; }},
      {"link.station_endpoint", fail, "tcp://host:port", [](O& o) { o.link.station_endpoint = "tcp://lab"; }},
      {"link.station_endpoint", fail, "tcp://host:port",
       [](O& o) { o.link.station_endpoint = "tcp://lab:70000"; }},
      {"link.station_endpoint", fail, "tcp://host:port",
       [](O& o) { o.link.station_endpoint = "http://lab:80"; }},
      {"link.station_public_key", fail, "not known", [](O& o) { o.link.station_public_key.clear(); }},
      {"link.station_public_key", fail, nowhere, [&](O& o) { o.link.station_public_key = nowhere; }},
      {"link.station_public_key", fail, "own key",
       [](O& o) { o.link.station_public_key = in_shared("car7.pub"); }},
      {"link.secret_key_file", fail, nowhere, [&](O& o) { o.link.secret_key_file = nowhere; }},
      {"link.secret_key_file", fail, "40 Z85", [&](O& o) { o.link.secret_key_file = bad_key; }},
      {"link.secret_key_file", fail, "chmod 600", [&](O& o) { o.link.secret_key_file = open_key; }},
      {"link.secret_key_file", warn, "CREDENTIALS_DIRECTORY", [](O& o) { o.link.secret_key_file.clear(); }},
      {"loop.live_onnx", fail, "write WIDTHxHEIGHT", [](O& o) { o.loop.live_onnx = "640*360"; }},
      {"loop.live_onnx", fail, "too small", [](O& o) { o.loop.live_onnx = "640x16"; }},
      {"loop.crop_format", fail, "cannot write", [](O& o) { o.loop.crop_format = "nothing"; }},
      {"loop.weights", fail, nowhere, [&](O& o) { o.loop.weights = nowhere; }},
      {"loop.weights", fail, "junk.safetensors", [&](O& o) { o.loop.weights = junk; }},
      {"loop.weights", fail, "width: 0.0625", [](O& o) { o.engine.model.width = 0.125; }},
      {"loop.weights", fail, "no model to start from", [](O& o) { o.loop.weights.clear(); }},
      {"engine.input.work_long_side_px", warn, "trained at 0",
       [](O& o) { o.engine.input.work_long_side_px = 640; }},
      {"loop.replay", fail, nowhere, [&](O& o) { o.loop.replay = "folder:" + nowhere; }},
      {"loop.replay", fail, "streetsin", [](O& o) { o.loop.replay = "streetsin:game"; }},
      {"loop.warmup_steps", fail, "nothing to warm up on",
       [](O& o) { o.loop.weights.clear(), o.loop.warmup_steps = 5; }},
      {"state", fail, "no state folder", [](O& o) { o.state.clear(); }},
      {"state", fail, "is a file", [&](O& o) { o.state = plain; }},
      {"state", fail, "is a file", [&](O& o) { o.state = plain + "/deeper"; }},
      {"store.quota_bytes", fail, "less than 1 MiB",
       [](O& o) { o.store.ballast_bytes = o.store.quota_bytes; }},
      {"store.quota_bytes", warn, "has room for", [](O& o) { o.store.quota_bytes = std::int64_t{1} << 50; }},
      {"gate.min_brightness", fail, "no frame would pass", [](O& o) { o.gate.min_brightness = 250; }},
      {"vehicle_id", fail, "car 7", [](O& o) { o.vehicle_id = o.link.vehicle_id = "car 7"; }},
      {"link.vehicle_id", fail, "leave link.vehicle_id out", [](O& o) { o.link.vehicle_id = "other"; }},
      {"engine.guard.enabled", warn, "also a worse one", [](O& o) { o.engine.guard.enabled = false; }},
      {"engine.selftrain.before_labels", warn, "worse",
       [](O& o) { o.engine.selftrain.before_labels = true; }},
      {"loop.rounds", warn, "nothing is learnt", [](O& o) { o.loop.rounds[0].budget = {.share = 0}; }},
      {"loop.rounds[0].budget", warn, "without training",
       [](O& o) {
         o.loop.rounds = {{.budget = {.regions = 0}}, {.times = std::nullopt}};
       }},
      {"loop.rounds[0].budget.bytes", warn, "one region takes about",
       [](O& o) { o.loop.rounds[0].budget.bytes = 500; }},
      {"loop.rounds", fail, "at least one round", [](O& o) { o.loop.rounds.clear(); }},
      {"loop.rounds[0].times", fail, "other rounds follow",
       [](O& o) {
         o.loop.rounds = {{.times = std::nullopt}, {.times = 2}};
       }},
  };
  for (const auto& bad : table) {
    DaemonOptions options = good();
    bad.spoil(options);
    const Findings found = find_problems(options);
    const bool named = std::any_of(found.begin(), found.end(), [&](const Finding& one) {
      return one.what == bad.key && one.level == bad.level && one.text.find(bad.words) != std::string::npos;
    });
    EXPECT_TRUE(named) << bad.key << " with '" << bad.words << "' is not among:\n" << text_of(found);
    for (const auto& one : found) EXPECT_THAT(one.text, testing::Not(HasSubstr("\n"))) << one.what;
  }
}

TEST_F(OptionsCheck, SeveralMistakesAreSeveralFindings) {
  DaemonOptions options = good();
  options.engine.device = "tpu";
  options.camera.uri = "rstp://x";
  options.link.station_endpoint = "nonsense";
  options.loop.weights = "/nowhere";
  const std::string text = text_of(find_problems(options));
  for (const char* key : {"engine.device", "camera.uri", "link.station_endpoint", "loop.weights"})
    EXPECT_THAT(text, HasSubstr(key));
}

TEST_F(OptionsCheck, TheDaemonStartsWithoutCameraAndWeightsButNotWithContradictions) {
  DaemonOptions options = good();
  options.camera.uri = "images:///nowhere";
  options.loop.weights = "/nowhere";
  EXPECT_NO_THROW(check_options(options));
  options.engine.device = "tpu";
  EXPECT_THROW(check_options(options), Error);
  options = good();
  options.loop.crop_format = "nothing";  // a round would choose regions and could send none of them
  EXPECT_THROW(check_options(options), Error);
}

TEST_F(OptionsCheck, WeightsThatAreNotWhatTheStateBeganWithAreToldOf) {
  const fs::path state = folder_ / "state";
  fs::create_directories(state / "model" / "slot");
  const std::string first = file("first.safetensors", "the first"),
                    second = file("second.safetensors", "the second");
  EXPECT_EQ(look_at_start_weights(state, first, Began::now), "");
  EXPECT_EQ(look_at_start_weights(state, first, Began::earlier), "");
  EXPECT_THAT(look_at_start_weights(state, second, Began::earlier),
              testing::AllOf(HasSubstr(second + " is not used"), HasSubstr(first),
                             HasSubstr((state / "model").string())));
  EXPECT_EQ(look_at_start_weights(state, "", Began::earlier), "") << "none is asked for";
  const std::string copy = file("copy.safetensors", "the first");
  EXPECT_EQ(look_at_start_weights(state, copy, Began::earlier), "") << "the same weights under another name";
  file("first.safetensors", "other content");
  EXPECT_THAT(look_at_start_weights(state, first, Began::earlier),
              HasSubstr("an earlier content of that file"));
  fs::remove(folder_ / "first.safetensors");
  EXPECT_EQ(look_at_start_weights(state, first, Began::earlier), "") << "used once, it may go";

  EXPECT_EQ(look_at_start_weights(state, second, Began::now), "") << "a state that was begun anew";
  EXPECT_EQ(look_at_start_weights(state, second, Began::earlier), "");
  fs::remove(state / "start_weights.json");
  EXPECT_EQ(look_at_start_weights(state, copy, Began::earlier), "")
      << "of an older daemon: remembered from now on";
  EXPECT_THAT(look_at_start_weights(state, second, Began::earlier), HasSubstr("is not used"));
}

TEST_F(OptionsCheck, ChangedWeightsAreAFindingToo) {
  DaemonOptions options = good();
  const fs::path state = options.state;
  fs::create_directories(state / "model" / "slot");
  look_at_start_weights(state, file("other.safetensors", "other"), Began::now);
  EXPECT_THAT(text_of(find_problems(options)),
              HasSubstr("warn loop.weights: loop.weights " + options.loop.weights));
}

}  // namespace
}  // namespace driftloop::daemon

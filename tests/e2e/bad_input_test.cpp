// A user's mistakes on the command line: each is one line that says what is wrong and where, and a status
// that is not zero.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "config/durable_file.h"
#include "tests/e2e/loop_world.h"
#include "tests/e2e/programs.h"
#include "tests/support/temp_folder.h"

namespace driftloop::e2e {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

class BadInput : public testing::Test {
 protected:
  /// A drive of three frames and a model of the smallest net, made once.
  static void SetUpTestSuite() {
    shared_ = new test::TempFolder;
    render_drive(*shared_ / "drive", 3);
    const std::string data = "folder:" + (*shared_ / "drive").string();
    const Outcome made = run({kDriftloop,
                              "bench",
                              "streetsim",
                              "--out",
                              (*shared_ / "model").string(),
                              "--set",
                              "source=" + data,
                              "--set",
                              "target=" + data,
                              "--set",
                              "eval=" + data,
                              "--set",
                              "arms=[source_only]",
                              "--set",
                              "warmup_steps=1",
                              "--set",
                              "rounds=[{steps: 1}]",
                              "--set",
                              "start=\"\"",
                              "--set",
                              "engine.model={name: deeplabv3plus_r18, output_stride: 16, aspp_rate: 3}",
                              "--set",
                              "engine.model.width=0.0625",
                              "--set",
                              "engine.input.crop_width_px=64",
                              "--set",
                              "engine.input.crop_height_px=48",
                              "--set",
                              "engine.device=cpu"},
                             *shared_ / "making");
    ASSERT_EQ(made.status, 0) << made.all();
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }
  void SetUp() override { fs::copy(*shared_ / "drive", folder_ / "data", fs::copy_options::recursive); }

  static std::string weights() { return (*shared_ / "model" / "source.safetensors").string(); }
  std::string data() const { return "folder:" + (folder_ / "data").string(); }
  fs::path image(int frame) const {
    return folder_ / "data" / "images" / ("frame_00000" + std::to_string(frame) + ".jpg");
  }
  fs::path label(int frame) const {
    return folder_ / "data" / "labels" / ("frame_00000" + std::to_string(frame) + ".png");
  }

  Outcome refused(std::vector<std::string> command, const std::vector<std::string>& words) {
    const Outcome outcome = run(command, folder_ / "run");
    EXPECT_TRUE(outcome.status == 1 || outcome.status == 2) << outcome.all();
    // libjpeg and libpng add a line of their own about a damaged file.
    auto lines = lines_of(outcome.err);
    std::erase_if(lines, [](const std::string& line) {
      return line.starts_with("libpng") || line.starts_with("Premature end of JPEG");
    });
    EXPECT_EQ(lines.size(), 1u) << outcome.all();
    for (const auto& word : words) EXPECT_THAT(outcome.err, HasSubstr(word));
    EXPECT_THAT(outcome.err, testing::Not(HasSubstr("internal error")));
    return outcome;
  }
  Outcome eval_refused(const std::string& dataset, const std::vector<std::string>& words) {
    return refused({kDriftloop, "eval", "--weights", weights(), "--data", dataset}, words);
  }

  test::TempFolder folder_;

 private:
  static inline test::TempFolder* shared_ = nullptr;
};

TEST_F(BadInput, MissingFolder) {
  eval_refused("camvid:/nowhere", {"no folder of images", "/nowhere/train/images"});
}

TEST_F(BadInput, AFileWhereAFolderShouldBe) {
  std::ofstream(folder_ / "file") << "x";
  eval_refused("folder:" + (folder_ / "file").string(), {"no folder of images", (folder_ / "file").string()});
}

TEST_F(BadInput, EmptyFolder) {
  fs::create_directories(folder_ / "empty" / "val" / "images");
  fs::create_directories(folder_ / "empty" / "val" / "labels");
  refused({kDriftloop, "eval", "--weights", weights(), "--data", "camvid:" + (folder_ / "empty").string(),
           "--split", "val"},
          {"no images of 'val' in " + (folder_ / "empty").string(), "{train,val}/{images,labels}"});
}

TEST_F(BadInput, ADataSetIsCheckedAsAWhole) {
  const Outcome good = run({kDriftloop, "data", "check", data()}, folder_ / "good");
  EXPECT_EQ(good.status, 0) << good.all();
  EXPECT_THAT(good.out, HasSubstr("3 images, 3 of 96x64"));
  EXPECT_THAT(good.out, HasSubstr("nothing wrong"));
  fs::remove(label(0));
  cv::imwrite(label(1).string(), cv::Mat(64, 96, CV_8UC1, cv::Scalar(77)));
  fs::resize_file(image(2), fs::file_size(image(2)) - 200);
  const Outcome bad = run({kDriftloop, "data", "check", data(), "--decode"}, folder_ / "bad");
  EXPECT_EQ(bad.status, 1) << bad.all();
  for (const auto& words :
       {std::string("3 problems"), image(0).string() + " has no label",
        label(1).string() + " holds the value 77", image(2).string() + " is not a whole JPEG"})
    EXPECT_THAT(bad.out, HasSubstr(words));
  refused({kDriftloop, "data", "check", folder_.path().string()},
          {folder_.path().string(), "none of the data sets"});
  refused({kDriftloop, "data", "check", "streetsim:game"}, {"streetsim:game is not made of files"});
}

TEST_F(BadInput, ImageWithoutLabel) {
  fs::remove(label(1));
  eval_refused(data(), {"1 of 3 images have no label", image(1).string(), label(1).string()});
}

TEST_F(BadInput, LabelValueOutsideTheSpace) {
  cv::imwrite(label(1).string(), cv::Mat(64, 96, CV_8UC1, cv::Scalar(77)));
  eval_refused(data(), {label(1).string(), "77", "trainids"});
}

TEST_F(BadInput, LabelOfAnotherSize) {
  cv::imwrite(label(1).string(), cv::Mat(30, 40, CV_8UC1, cv::Scalar(1)));
  eval_refused(data(), {image(1).string(), label(1).string(), "96x64", "40x30"});
}

TEST_F(BadInput, ColoursInsteadOfClasses) {
  cv::imwrite(label(1).string(), cv::Mat(64, 96, CV_8UC3, cv::Scalar(1, 2, 3)));
  eval_refused(data(), {label(1).string(), "one byte per pixel"});
}

TEST_F(BadInput, CorruptPicture) {
  fs::resize_file(image(1), 300);
  eval_refused(data(), {image(1).string(), "not a whole JPEG"});
}

TEST_F(BadInput, PictureCutOffInTheMiddle) {
  fs::resize_file(image(1), fs::file_size(image(1)) - 200);  // libjpeg would make its lower part grey
  eval_refused(data(), {image(1).string(), "not a whole JPEG", "remove it or write it again"});
}

TEST_F(BadInput, ResultThatCannotBeWrittenIsSaidBeforeTheWork) {
  const auto outcome = refused(
      {kDriftloop, "eval", "--weights", weights(), "--data", data(), "--json", "/nowhere/result.json"},
      {"/nowhere/result.json", "no folder"});
  EXPECT_EQ(outcome.out, "") << "the evaluation ran first";
}

TEST_F(BadInput, RunFolderOfAnotherCommand) {
  const std::string out = (folder_ / "run_folder").string();
  fs::create_directories(out);
  std::ofstream(folder_ / "run_folder" / "command.txt") << "driftloop bench streetsim --seed 1\n";
  refused({kDriftloop, "bench", "streetsim", "--out", out, "--seed", "2"},
          {out, "driftloop bench streetsim --seed 1'", "another --out"});
  refused({kDriftloop, "demo", "--out", out}, {out, "driftloop bench streetsim --seed 1'", "another --out"});
  std::ofstream(folder_ / "run_folder" / "run.yaml") << "title: the preset as it was\n";
  refused({kDriftloop, "bench", "streetsim", "--out", out, "--seed", "1"},
          {out + "/run.yaml", "other settings", "another --out"});
}

TEST_F(BadInput, CorruptLabel) {
  fs::resize_file(label(1), 100);
  eval_refused(data(), {label(1).string(), "not a readable label image", "ends too early"});
}

TEST_F(BadInput, UnknownDataSetKind) {
  eval_refused("camvit:/x", {"camvit", "did you mean 'camvid'"});
}

TEST_F(BadInput, WeightsThatAreNone) {
  refused({kDriftloop, "eval", "--weights", image(0).string(), "--data", data()},
          {image(0).string(), "safetensors"});
  refused({kDriftloop, "eval", "--weights", (folder_ / "none").string(), "--data", data()},
          {(folder_ / "none").string(), "No such file"});
  fs::copy_file(weights(), folder_ / "cut");
  fs::resize_file(folder_ / "cut", fs::file_size(folder_ / "cut") / 2);
  refused({kDriftloop, "eval", "--weights", (folder_ / "cut").string(), "--data", data()},
          {(folder_ / "cut").string(), "damaged"});
}

TEST_F(BadInput, UnknownNamesOnTheCommandLine) {
  const std::string out = (folder_ / "out").string();
  refused({kDriftloop, "bench", "stretsim", "--out", out}, {"preset 'stretsim'", "did you mean 'streetsim'"});
  refused({kDriftloop, "bench", "streetsim", "--out", out, "--set", "arms=[covr]"},
          {"arm 'covr'", "did you mean 'cover'"});
  refused({kDriftloop, "bench", "streetsim", "--out", out, "--set", "engine.train.ratee=1"},
          {"engine.train.ratee", "did you mean 'rate'"});
  refused({kDriftloop, "demo", "--out", out, "--target", "camvit:/x"}, {"--target camvit:/x", "camvid:DIR"});
  refused({kDriftloop, "demo", "--out", (folder_ / "demo").string(), "--target", "camvid:/nowhere"},
          {"/nowhere/train/images"});
  EXPECT_FALSE(fs::exists(out)) << "a folder was made before the mistake was seen";
}

TEST_F(BadInput, ABenchmarkThatLacksSomething) {
  refused({kDriftloop, "bench"}, {"bench needs a preset", "driftloop bench --help"});
  refused({kDriftloop, "bench", "streetsim"}, {"bench needs --out FOLDER"});
  const std::string out = (folder_ / "out").string();
  refused({kDriftloop, "bench", "gtav2cityscapes_5", "--out", out, "--set", "data_root=/nowhere"},
          {"source: ", "/nowhere/gtav"});
  refused({kDriftloop, "bench", "streetsim", "--out", out, "--set", "start=resnet9"},
          {"no weights 'resnet9'", "start empty"});
  refused({kDriftloop, "bench", "streetsim", "--out", out, "--set", "source=\"\""},
          {"warmup_steps", "no source to warm up on"});
  refused({kDriftloop, "bench", "streetsim", "--out", out, "--set",
           "variants=[{name: mine, set: [engine.train.ratee=1]}]"},
          {"variants[0]", "did you mean 'rate'"});
  EXPECT_FALSE(fs::exists(out)) << "a folder was made before the mistake was seen";
  fs::create_directories(folder_ / "half" / "seed_1");
  refused({kDriftloop, "bench", "table", (folder_ / "half").string()}, {"no run of driftloop bench"});
  std::ofstream(folder_ / "half" / "seed_1" / "run.yaml") << "title: x\n";
  refused({kDriftloop, "bench", "table", (folder_ / "half").string()}, {"has not ended", "command.txt"});
  refused({kDriftloop, "bench", "table", "/nowhere"}, {"no such folder: /nowhere"});
}

TEST_F(BadInput, MistypedWordsAreNamedWithTheNearest) {
  refused({kDriftloop, "doctr"}, {"unknown subcommand 'doctr'", "did you mean 'doctor'"});
  refused({kDriftloop, "statsu", "--json"}, {"unknown subcommand 'statsu'", "did you mean 'status'"});
  refused({kDriftloop, "status", "--jsno"}, {"unknown option '--jsno'", "did you mean '--json'"});
  refused({kDriftloop, "config", "shwo"}, {"unknown subcommand 'shwo'", "did you mean 'show'"});
  refused({kDriftloop, "xyzzyxyzzy"}, {"unknown subcommand 'xyzzyxyzzy'", "doctor", "status"});
  refused({kDriftloopd, "--confg", "x.yaml"}, {"unknown option '--confg'", "did you mean '--config'"});
  refused({kDriftloopd, "start"}, {"unknown argument 'start'"});
  refused({kStation, "rnu"}, {"unknown subcommand 'rnu'", "did you mean 'run'"});
  refused({kStation, "run", "--alow=x"}, {"unknown option '--alow=x'", "did you mean '--allow'"});
}

TEST_F(BadInput, AStatusThatIsNotThere) {
  refused({kDriftloop, "status", "--state", (folder_ / "none").string()},
          {(folder_ / "none" / "status.json").string(), "is --state right?"});
  fs::create_directories(folder_ / "odd" / "status.json");
  refused({kDriftloop, "status", "--state", (folder_ / "odd").string()}, {"status.json"});
}

TEST_F(BadInput, UnknownKeyInAFileIsNamedWithItsPlace) {
  const fs::path file = folder_ / "run.yaml";
  std::ofstream(file) << "title: x\nengine:\n  trian:\n    rate: 1\n";
  refused({kDriftloop, "bench", file.string(), "--out", (folder_ / "out").string()},
          {file.string() + ":3:3", "did you mean 'train'"});
}

TEST_F(BadInput, ReportFolderThatCannotBeWritten) {
  std::ofstream(folder_ / "file") << "x";
  refused({kDriftloop, "bench", "streetsim", "--out", (folder_ / "file" / "out").string()},
          {(folder_ / "file" / "out").string(), "cannot create"});
}

TEST_F(BadInput, WeightsOfAnotherWidthOnTheVehicle) {
  LoopWorld world(folder_ / "data");
  world.endpoint = "tcp://127.0.0.1:9";
  world.start_vehicle({"loop.weights=" + weights(), "engine.model.width=0.125"});
  // The learner cannot begin, and says so; the vehicle goes on.
  const auto trouble = [&] { return world.status().value("/trouble/adapt"_json_pointer, std::string()); };
  EXPECT_TRUE(eventually([&] { return !trouble().empty(); }, std::chrono::seconds(60))) << world.logs();
  EXPECT_THAT(trouble(), HasSubstr("width"));
  EXPECT_THAT(trouble(), HasSubstr("source.safetensors"));
  EXPECT_FALSE(world.vehicle->wait(std::chrono::milliseconds(0))) << world.logs();
  world.vehicle->terminate();
  EXPECT_EQ(world.vehicle->wait(std::chrono::seconds(5)), 0) << world.logs();
  EXPECT_LE(lines_of(config::read_file(world.folder / "vehicle.log")).size(), 6u) << world.logs();
}

TEST_F(BadInput, FullDiskUnderAReport) {
  const fs::path disk = folder_ / "disk";
  fs::create_directories(disk);
  if (::mount("driftloop-test", disk.c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "mounting a tmpfs is not allowed here (needs root)";
  const Outcome drive = refused({kDriftloop, "data", "drive", "--out", (disk / "drive").string(), "--frames",
                                 "60", "--width", "256", "--height", "144"},
                                {(disk / "drive").string()});
  EXPECT_THAT(drive.err, testing::ContainsRegex("disk|space"));
  fs::remove_all(disk / "drive");
  const Outcome bench = refused({kDriftloop, "bench", "streetsim", "--out", (disk / "run").string(), "--set",
                                 "source=" + data(), "--set", "target=" + data(), "--set", "eval=" + data(),
                                 "--set", "warmup_steps=1", "--set", "engine.model.width=0.0625", "--set",
                                 "engine.input.crop_width_px=64", "--set", "engine.input.crop_height_px=48"},
                                {(disk / "run").string()});
  EXPECT_THAT(bench.err, testing::ContainsRegex("disk|space"));
  ::umount2(disk.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace driftloop::e2e

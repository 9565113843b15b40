#include <gtest/gtest.h>

#include <chrono>

#include "capture/gst_source.h"
#include "capture/source_table.h"
#include "config/check.h"
#include "tests/capture/capture_support.h"
#include "tests/support/temp_folder.h"

namespace driftloop::capture {
namespace {
namespace fs = std::filesystem;

std::unique_ptr<FrameSource> open(const std::string& uri, int width = 0, int height = 0, double fps = 0,
                                  AtEnd at_end = AtEnd::stop) {
  SourceOptions options;
  options.uri = uri;
  options.width = width;
  options.height = height;
  options.fps_limit = fps;
  options.at_end = at_end;
  return open_source(options);
}

std::string error_of(const std::string& uri) {
  try {
    open(uri);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// A video file of `frames` pictures, made by GStreamer itself.
void make_video(const fs::path& path, int frames, int fps,
                const std::string& encoder = "jpegenc ! matroskamux") {
  const std::string text = "videotestsrc pattern=ball num-buffers=" + std::to_string(frames) +
                           " ! video/x-raw,width=160,height=96,framerate=" + std::to_string(fps) +
                           "/1 ! tee name=t ! queue ! videoconvert ! " + encoder +
                           " ! filesink location=" + path.string() +
                           " t. ! queue ! videoconvert ! video/x-raw,format=RGB ! appsink name=frames";
  GstSourceOptions options;
  options.pipeline = text;
  options.what = "video maker";
  GstSource maker(options);
  ASSERT_EQ(drive_through(maker).last.status, ReadStatus::end);
}

TEST(TestSourceTest, GivesExactlyItsFramesThenEndsForGood) {
  const auto source = open("test://ball?frames=25&width=64&height=48");
  const Drive drive = drive_through(*source);
  ASSERT_EQ(drive.frames.size(), 25U);
  EXPECT_EQ(drive.last.status, ReadStatus::end);
  EXPECT_EQ(source->read(kLong).status, ReadStatus::end);
  EXPECT_EQ(source->counters().frames, 25U);
  EXPECT_EQ(source->counters().skipped, 0U);
  for (std::size_t i = 0; i < 25; ++i) {
    EXPECT_EQ(drive.frames[i].sequence, i);
    EXPECT_EQ(drive.frames[i].image_rgb.size(), cv::Size(64, 48));
  }
  EXPECT_EQ(drive.frames[24].name, "000024");
  // 30 frames a second by their own time, however fast they were made.
  EXPECT_NEAR(double(drive.frames[24].captured_ns - drive.frames[0].captured_ns), 24 / 30.0 * 1e9, 1e6);
}

TEST(TestSourceTest, ColoursAreRgb) {
  for (const auto& [pattern, colour] : {std::pair{"red", cv::Scalar(255, 0, 0)},
                                        {"green", cv::Scalar(0, 255, 0)},
                                        {"blue", cv::Scalar(0, 0, 255)}}) {
    const auto source = open(std::string("test://") + pattern + "?frames=1&width=64&height=48");
    const ReadResult result = source->read(kLong);
    ASSERT_EQ(result.status, ReadStatus::frame) << result.message;
    EXPECT_LE(cv::norm(cv::mean(result.frame.image_rgb), colour, cv::NORM_INF), 3) << pattern;
  }
}

TEST(TestSourceTest, OddWidthsHaveRowsOfTheirOwnStride) {
  // 3 * 53 bytes are padded to 160 in a GStreamer buffer.
  const auto odd = open("test://smpte?frames=1&width=53&height=31");
  const ReadResult result = odd->read(kLong);
  ASSERT_EQ(result.status, ReadStatus::frame);
  ASSERT_EQ(result.frame.image_rgb.size(), cv::Size(53, 31));
  // The upper bars are vertical: every row there is the same, unless rows were read with the wrong stride.
  for (int y = 1; y < 16; ++y)
    EXPECT_EQ(cv::norm(result.frame.image_rgb.row(y), result.frame.image_rgb.row(0), cv::NORM_INF), 0) << y;
}

TEST(TestSourceTest, ScalesAndLimitsTheRate) {
  const Drive scaled = drive_through(*open("test://ball?frames=3&width=320&height=192", 100, 60));
  ASSERT_EQ(scaled.frames.size(), 3U);
  EXPECT_EQ(scaled.frames[0].image_rgb.size(), cv::Size(100, 60));
  const Drive limited = drive_through(*open("test://ball?frames=90&fps=30", 0, 0, 5));
  EXPECT_NEAR(double(limited.frames.size()), 15, 1);
  const Drive slow = drive_through(*open("test://ball?frames=120&fps=30", 0, 0, 0.5));
  EXPECT_NEAR(double(slow.frames.size()), 2, 1);
  EXPECT_EQ(drive_through(*open("test://ball?frames=10&fps=10", 0, 0, 60)).frames.size(), 10U);
}

TEST(TestSourceTest, LoopsWithNamesFromTheStartAndRisingSequences) {
  const auto source = open("test://ball?frames=4&width=64&height=48", 0, 0, 0, AtEnd::loop);
  const Drive drive = drive_through(*source, 10);
  ASSERT_EQ(drive.frames.size(), 10U) << drive.last.message;
  EXPECT_EQ(drive.frames[4].name, "000000");
  EXPECT_EQ(drive.frames[9].name, "000001");
  EXPECT_EQ(drive.frames[9].sequence, 9U);
  for (std::size_t i = 1; i < 10; ++i)
    EXPECT_GT(drive.frames[i].captured_ns, drive.frames[i - 1].captured_ns);
}

class VideoFileTest : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(VideoFileTest, EveryFrameArrivesInOrder) {
  test::TempFolder folder;
  const fs::path video = folder / (std::string("a drive") + GetParam().first);
  make_video(folder / GetParam().first, 40, 20, GetParam().second);
  fs::rename(folder / GetParam().first, video);
  const auto source = open("file://" + video.string());
  const Drive drive = drive_through(*source);
  EXPECT_EQ(drive.last.status, ReadStatus::end) << drive.last.message;
  ASSERT_EQ(drive.frames.size(), 40U);
  EXPECT_EQ(drive.frames[39].name, "000039");
  EXPECT_EQ(drive.frames[0].image_rgb.size(), cv::Size(160, 96));
  EXPECT_NEAR(double(drive.frames[39].captured_ns - drive.frames[0].captured_ns), 39 / 20.0 * 1e9, 2e8);
  EXPECT_EQ(source->life(), Life::finite);
}
INSTANTIATE_TEST_SUITE_P(Containers, VideoFileTest,
                         testing::Values(std::pair{".mkv", "jpegenc ! matroskamux"},
                                         std::pair{".avi", "jpegenc ! avimux"},
                                         std::pair{".webm", "vp8enc deadline=1 ! webmmux"}));

TEST(VideoFileTest, MissingBrokenOrForeignFilesSaySo) {
  test::TempFolder folder;
  EXPECT_NE(error_of("file://" + (folder / "no.mkv").string()).find("there is no file"), std::string::npos);
  write_text(folder / "text.mkv", std::string(5000, 'x'));
  const auto text = open("file://" + (folder / "text.mkv").string());
  const ReadResult result = text->read(kLong);
  EXPECT_EQ(result.status, ReadStatus::error);
  EXPECT_NE(result.message.find("text.mkv"), std::string::npos) << result.message;
  EXPECT_EQ(text->read(kLong).status, ReadStatus::error);  // for good
}

TEST(VideoFileTest, ATruncatedVideoGivesWhatIsThere) {
  test::TempFolder folder;
  make_video(folder / "v.mkv", 40, 20);
  fs::resize_file(folder / "v.mkv", fs::file_size(folder / "v.mkv") / 2);
  const Drive drive = drive_through(*open("file://" + (folder / "v.mkv").string()));
  EXPECT_GT(drive.frames.size(), 10U);
  EXPECT_LT(drive.frames.size(), 40U);
  EXPECT_TRUE(drive.last.status == ReadStatus::end || drive.last.status == ReadStatus::error);
}

TEST(ImagesSourceTest, SortedNamedAndExact) {
  test::TempFolder folder;
  for (const int i : {3, 1, 2})
    write_picture(folder / ("img_" + std::to_string(i) + ".png"), scene_rgb(64, 48, i));
  write_text(folder / "notes.txt", "not a picture");
  fs::create_directory(folder / "sub.png");
  const Drive drive = drive_through(*open("images://" + folder.path().string()));
  EXPECT_EQ(drive.last.status, ReadStatus::end);
  ASSERT_EQ(drive.frames.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(drive.frames[i].name, "img_" + std::to_string(i + 1));
    EXPECT_EQ(cv::norm(drive.frames[i].image_rgb, scene_rgb(64, 48, i + 1), cv::NORM_INF), 0);
  }
  EXPECT_EQ(drive.frames[2].captured_ns - drive.frames[0].captured_ns, 200'000'000);
}

TEST(ImagesSourceTest, JpegColoursAreThoseOfTheUsualDecoder) {
  test::TempFolder folder;
  cv::Mat smooth;
  cv::GaussianBlur(scene_rgb(320, 192, 5), smooth, {15, 15}, 5);
  write_picture(folder / "a.JPG", smooth);
  const Drive drive = drive_through(*open("images://" + folder.path().string()));
  ASSERT_EQ(drive.frames.size(), 1U) << drive.last.message;
  cv::Mat usual = cv::imread((folder / "a.JPG").string());
  cv::cvtColor(usual, usual, cv::COLOR_BGR2RGB);
  // Chroma is scaled up differently (simply, here): the picture is the same, edges of colour differ a little.
  EXPECT_LT(cv::norm(drive.frames[0].image_rgb, usual, cv::NORM_L1) / (320 * 192 * 3), 3.0);
  EXPECT_LT(cv::norm(cv::mean(drive.frames[0].image_rgb), cv::mean(usual), cv::NORM_INF), 2.0);
}

TEST(ImagesSourceTest, EveryKindOfPictureBecomesRgb) {
  test::TempFolder folder;
  cv::Mat grey(48, 64, CV_8UC1, cv::Scalar(100)), alpha(48, 64, CV_8UC4, cv::Scalar(10, 20, 30, 255)),
      deep(48, 64, CV_16UC3, cv::Scalar(30 * 257, 20 * 257, 10 * 257));
  cv::imwrite((folder / "a_grey.png").string(), grey);
  cv::imwrite((folder / "b_grey.jpg").string(), grey);
  cv::imwrite((folder / "c_alpha.png").string(), alpha);
  cv::imwrite((folder / "d_deep.png").string(), deep);
  cv::imwrite((folder / "e_bits.png").string(), cv::Mat(48, 64, CV_8UC1, cv::Scalar(255)),
              {cv::IMWRITE_PNG_BILEVEL, 1});
  const Drive drive = drive_through(*open("images://" + folder.path().string()));
  ASSERT_EQ(drive.frames.size(), 4U) << (drive.messages.empty() ? "" : drive.messages[0]);
  ASSERT_EQ(drive.messages.size(), 1U);
  EXPECT_NE(drive.messages[0].find("16 bits"), std::string::npos) << drive.messages[0];
  const cv::Scalar expected[] = {{100, 100, 100}, {100, 100, 100}, {30, 20, 10}, {255, 255, 255}};
  for (int i = 0; i < 4; ++i)
    EXPECT_LE(cv::norm(cv::mean(drive.frames[i].image_rgb), expected[i], cv::NORM_INF), 1.5) << i;
}

TEST(ImagesSourceTest, CorruptFilesAreSkippedCountedAndTold) {
  test::TempFolder folder;
  for (int i = 0; i < 6; ++i)
    write_picture(folder / ("f" + std::to_string(i) + (i % 2 ? ".jpg" : ".png")), scene_rgb(64, 48, i));
  write_text(folder / "f1.jpg", "this is no JPEG at all, but a text that goes on for a while");
  write_text(folder / "f2.png", "");
  fs::resize_file(folder / "f4.png", fs::file_size(folder / "f4.png") / 2);
  const auto source = open("images://" + folder.path().string());
  const Drive drive = drive_through(*source);
  EXPECT_EQ(drive.last.status, ReadStatus::end);
  ASSERT_EQ(drive.frames.size(), 3U);
  EXPECT_EQ(drive.frames[1].name, "f3");
  EXPECT_EQ(source->counters().skipped, 3U);
  ASSERT_EQ(drive.messages.size(), 2U);
  EXPECT_NE(drive.messages[1].find("f4.png"), std::string::npos) << drive.messages[1];
}

TEST(ImagesSourceTest, MixedSizesComeAsTheyAreOrScaled) {
  test::TempFolder folder;
  write_picture(folder / "a.png", scene_rgb(64, 48, 1));
  write_picture(folder / "b.png", scene_rgb(97, 33, 2));
  const Drive as_is = drive_through(*open("images://" + folder.path().string()));
  ASSERT_EQ(as_is.frames.size(), 2U);
  EXPECT_EQ(as_is.frames[1].image_rgb.size(), cv::Size(97, 33));
  const Drive scaled = drive_through(*open("images://" + folder.path().string(), 50, 40));
  ASSERT_EQ(scaled.frames.size(), 2U);
  EXPECT_EQ(scaled.frames[1].image_rgb.size(), cv::Size(50, 40));
}

TEST(ImagesSourceTest, MissingEmptyAndWhollyCorruptFoldersSaySo) {
  test::TempFolder folder;
  EXPECT_NE(error_of("images://" + (folder / "no").string()).find("cannot read the folder"),
            std::string::npos);
  EXPECT_NE(error_of("images://" + folder.path().string()).find("no .jpg"), std::string::npos);
  write_text(folder / "a.jpg", "x");
  for (const AtEnd at_end : {AtEnd::stop, AtEnd::loop}) {
    const auto source = open("images://" + folder.path().string(), 0, 0, 0, at_end);
    const ReadResult result = source->read(kLong);
    EXPECT_EQ(result.status, ReadStatus::error);
    EXPECT_NE(result.message.find("a.jpg"), std::string::npos) << result.message;
  }
}

TEST(ImagesSourceTest, LoopsWithTheSameNames) {
  test::TempFolder folder;
  write_picture(folder / "a.png", scene_rgb(32, 32, 1));
  write_picture(folder / "b.png", scene_rgb(32, 32, 2));
  const Drive drive = drive_through(*open("images://" + folder.path().string(), 0, 0, 0, AtEnd::loop), 5);
  ASSERT_EQ(drive.frames.size(), 5U);
  EXPECT_EQ(drive.frames[4].name, "a");
  EXPECT_EQ(drive.frames[4].sequence, 4U);
}

TEST(PipelineTest, AFreePipelineGetsItsSink) {
  const Drive drive =
      drive_through(*open("videotestsrc num-buffers=5 ! video/x-raw,format=I420,width=64,height=48"));
  EXPECT_EQ(drive.last.status, ReadStatus::end);
  ASSERT_EQ(drive.frames.size(), 5U);
}

TEST(PipelineTest, AnOwnSinkIsUsedAndItsFormatChecked) {
  const Drive good =
      drive_through(*open("videotestsrc num-buffers=5 ! video/x-raw,format=RGB ! appsink name=frames"));
  EXPECT_EQ(good.frames.size(), 5U);
  const auto grey = open("videotestsrc num-buffers=5 ! video/x-raw,format=GRAY8 ! appsink name=frames");
  try {
    (void)grey->read(kLong);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("GRAY8"), std::string::npos) << error.what();
  }
}

TEST(PipelineTest, MistakesAreToldAtOpening) {
  EXPECT_NE(error_of("nosuchelement ! fakesink").find("element 'nosuchelement' is missing"),
            std::string::npos);
  EXPECT_NE(error_of("avdec_h264foo ! videoconvert").find("gstreamer1.0-libav"), std::string::npos);
  EXPECT_NE(error_of("videotestsrc ! ! videoconvert").find("cannot make the pipeline"), std::string::npos);
  EXPECT_NE(error_of("videotestsrc nosuch=1 ! videoconvert").find("nosuch"), std::string::npos);
  EXPECT_NE(error_of("").find("no source given"), std::string::npos);
  EXPECT_NE(error_of("/dev/video0").find("is no source"), std::string::npos);
  EXPECT_NE(error_of("v4l://x").find("did you mean 'v4l2'"), std::string::npos) << error_of("v4l://x");
}

TEST(PipelineTest, ChangingCapsAndStridesAreFollowed) {
  // Three sizes one after the other through one sink, as when a camera changes its mode.
  const Drive drive = drive_through(
      *open("concat name=c ! videoconvert ! video/x-raw,format=RGB ! appsink name=frames sync=false "
            "videotestsrc pattern=red num-buffers=3 ! video/x-raw,width=64,height=48 ! c. "
            "videotestsrc pattern=green num-buffers=3 ! video/x-raw,width=53,height=31 ! c. "
            "videotestsrc pattern=blue num-buffers=3 ! video/x-raw,width=81,height=20 ! c."));
  EXPECT_EQ(drive.last.status, ReadStatus::end) << drive.last.message;
  ASSERT_EQ(drive.frames.size(), 9U);
  EXPECT_EQ(drive.frames[2].image_rgb.size(), cv::Size(64, 48));
  EXPECT_EQ(drive.frames[3].image_rgb.size(), cv::Size(53, 31));
  EXPECT_EQ(drive.frames[8].image_rgb.size(), cv::Size(81, 20));
  EXPECT_LE(cv::norm(cv::mean(drive.frames[5].image_rgb), cv::Scalar(0, 255, 0), cv::NORM_INF), 3);
}

TEST(PipelineTest, AReadWithoutAFrameTimesOutInTime) {
  const auto source = open("test://ball?fps=1");
  ASSERT_EQ(source->read(kLong).status, ReadStatus::frame);
  const auto live = open("videotestsrc is-live=true ! video/x-raw,framerate=1/1");
  ASSERT_EQ(live->read(kLong).status, ReadStatus::frame);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(live->read(std::chrono::milliseconds(120)).status, ReadStatus::timeout);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, std::chrono::milliseconds(110));
  EXPECT_LT(took, std::chrono::milliseconds(900));
  EXPECT_EQ(live->life(), Life::live);
}

}  // namespace
}  // namespace driftloop::capture

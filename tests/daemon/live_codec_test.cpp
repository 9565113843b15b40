// Regions to messages and labels back; the store as a pool.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

#include "config/check.h"
#include "daemon/live/region_codec.h"
#include "daemon/live/store_pool.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {

/// A picture whose every pixel says where it is.
cv::Mat place_picture(cv::Size size) {
  cv::Mat image(size, CV_8UC3);
  for (int y = 0; y < size.height; ++y)
    for (int x = 0; x < size.width; ++x) image.at<cv::Vec3b>(y, x) = cv::Vec3b(uchar(x), uchar(y), 200);
  return image;
}

cv::Mat decode_rgb(const std::string& bytes) {
  const cv::Mat bgr = cv::imdecode(std::vector<uchar>(bytes.begin(), bytes.end()), cv::IMREAD_COLOR);
  cv::Mat rgb;
  if (!bgr.empty()) cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
  return rgb;
}

std::string png(const cv::Mat& image) {
  std::vector<uchar> bytes;
  cv::imencode(".png", image, bytes);
  return {bytes.begin(), bytes.end()};
}

SeenFrame seen(cv::Size size) {
  SeenFrame frame;
  frame.stored.name = "drive_000007";
  frame.stored.captured_ns = 123;
  frame.image_rgb = place_picture(size);
  frame.prediction = cv::Mat(size, CV_8UC1);
  for (int y = 0; y < size.height; ++y)
    for (int x = 0; x < size.width; ++x) frame.prediction.at<uchar>(y, x) = uchar((x + y) % 19);
  return frame;
}

CodecOptions png_options(int context_px) {
  return {"car7", "cover", "cityscapes19", context_px, "png", 90};
}

TEST(RegionCodec, CropShowsTheBoxWithItsContext) {
  const cv::Rect box(20, 10, 8, 8);
  const auto request = encode_region(seen({64, 48}), {"id", box, 0.5}, 3, png_options(5));
  EXPECT_EQ(uplink::problem_of(request), "");
  EXPECT_EQ(request.crop, (uplink::Box{15, 5, 18, 18}));
  EXPECT_EQ(request.box, (uplink::Box{20, 10, 8, 8}));
  const cv::Mat crop = decode_rgb(request.crop_image);
  EXPECT_EQ(crop.size(), cv::Size(18, 18));
  EXPECT_EQ(crop.at<cv::Vec3b>(0, 0), cv::Vec3b(15, 5, 200));
  EXPECT_EQ(request.frame_name, "drive_000007");
  EXPECT_EQ(request.round, 3);
}

TEST(RegionCodec, ContextIsClippedAtEveryBorder) {
  const cv::Size frame(64, 48);
  for (const cv::Rect box :
       {cv::Rect(0, 0, 8, 8), cv::Rect(56, 0, 8, 8), cv::Rect(0, 40, 8, 8), cv::Rect(56, 40, 8, 8)}) {
    const auto request = encode_region(seen(frame), {"id", box, 0}, 1, png_options(10));
    EXPECT_EQ(uplink::problem_of(request), "") << box;
    EXPECT_EQ(request.crop.width, 18) << box;
    EXPECT_EQ(request.crop.height, 18) << box;
    const cv::Mat crop = decode_rgb(request.crop_image);
    EXPECT_EQ(crop.at<cv::Vec3b>(0, 0), cv::Vec3b(uchar(request.crop.x), uchar(request.crop.y), 200)) << box;
  }
  EXPECT_EQ(context_crop({0, 0, 64, 48}, frame, 100), cv::Rect({0, 0}, frame));
  EXPECT_THROW(context_crop({60, 0, 8, 8}, frame, 4), CheckError);
}

TEST(RegionCodec, PredictionIsOfTheBoxAlone) {
  const auto request = encode_region(seen({64, 48}), {"id", {20, 10, 8, 6}, 0}, 1, png_options(5));
  const cv::Mat prediction = cv::imdecode(
      std::vector<uchar>(request.prediction_png.begin(), request.prediction_png.end()), cv::IMREAD_UNCHANGED);
  ASSERT_EQ(prediction.size(), cv::Size(8, 6));
  EXPECT_EQ(prediction.at<uchar>(0, 0), (20 + 10) % 19);
  EXPECT_EQ(prediction.at<uchar>(5, 7), (27 + 15) % 19);
}

class LossyCodec : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Formats, LossyCodec, testing::Values("webp", "jpeg"));

TEST_P(LossyCodec, IsNearAndSameInputGivesSameBytes) {
  CodecOptions options = png_options(24);
  options.format = GetParam();
  const adapt::Region region{"id", {20, 10, 8, 8}, 0};
  const auto request = encode_region(seen({64, 48}), region, 1, options);
  const auto again = encode_region(seen({64, 48}), region, 1, options);
  EXPECT_EQ(uplink::outbound(request, 0).digest, uplink::outbound(again, 0).digest);
  const cv::Vec3b pixel = decode_rgb(request.crop_image).at<cv::Vec3b>(10, 10);
  EXPECT_NEAR(pixel[2], 200, 12);  // red and blue exchanged would show here
  EXPECT_NEAR(pixel[0], 10 + request.crop.x, 12);
}

TEST(RegionCodec, WebpOfATinyCropIsSmall) {
  SeenFrame frame = seen({64, 48});
  cv::Mat noise(frame.image_rgb.size(), CV_8UC3);
  cv::RNG(7).fill(noise, cv::RNG::NORMAL, 0, 6);
  frame.image_rgb += noise;
  const adapt::Region region{"id", {20, 10, 2, 2}, 0};
  std::map<std::string, std::size_t> bytes;
  for (const std::string format : {"webp", "jpeg", "png"}) {
    ASSERT_TRUE(can_encode(format)) << format;
    CodecOptions options = png_options(8);
    options.format = format;
    bytes[format] = encode_region(frame, region, 1, options).crop_image.size();
  }
  EXPECT_LT(2 * bytes["webp"], bytes["jpeg"]) << bytes["webp"];
  EXPECT_LT(bytes["jpeg"], bytes["png"]) << bytes["png"];
  EXPECT_FALSE(can_encode("nothing"));
}

uplink::LabelReply reply(const std::string& mask_png) {
  uplink::LabelReply answer;
  answer.outcome = uplink::LabelReply::Outcome::labelled;
  answer.mask_png = mask_png;
  return answer;
}

TEST(RegionCodec, MaskComesBackBitExact) {
  cv::Mat mask(8, 8, CV_8UC1, cv::Scalar(255));
  mask(cv::Rect(0, 0, 4, 8)).setTo(13);
  const auto decoded = decode_mask(reply(png(mask)), {3, 4, 8, 8}, "cityscapes19");
  ASSERT_TRUE(decoded) << decoded.problem;
  EXPECT_EQ(cv::countNonZero(*decoded.value != mask), 0);
}

TEST(RegionCodec, BadMasksAreSaidToBeBad) {
  const cv::Rect box(0, 0, 8, 8);
  const auto problem = [&](const std::string& bytes, const char* space) {
    return decode_mask(reply(bytes), box, space).problem;
  };
  EXPECT_THAT(problem("no picture", "cityscapes19"), testing::HasSubstr("not a readable PNG"));
  EXPECT_THAT(problem(png(cv::Mat(8, 8, CV_8UC3, cv::Scalar::all(1))), "cityscapes19"),
              testing::HasSubstr("one channel"));
  EXPECT_THAT(problem(png(cv::Mat(8, 4, CV_8UC1, cv::Scalar(1))), "cityscapes19"), testing::HasSubstr("4x8"));
  EXPECT_THAT(problem(png(cv::Mat(8, 8, CV_8UC1, cv::Scalar(40))), "cityscapes19"),
              testing::HasSubstr("class 40"));
  // 16 = train is no class of CamVid's eleven.
  EXPECT_THAT(problem(png(cv::Mat(8, 8, CV_8UC1, cv::Scalar(16))), "camvid11"),
              testing::HasSubstr("camvid11"));
  EXPECT_EQ(problem(png(cv::Mat(8, 8, CV_8UC1, cv::Scalar(0))), "camvid11"), "");
}

capture::Frame frame(const std::string& name, int shade) {
  capture::Frame f;
  f.image_rgb = cv::Mat(48, 64, CV_8UC3, cv::Scalar(shade, 20, 30));
  f.name = name;
  return f;
}

class StorePoolTest : public testing::Test {
 protected:
  static capture::StoreOptions options(const std::filesystem::path& folder) {
    capture::StoreOptions o;
    o.folder = folder;
    o.format = "png";
    o.quota_bytes = 4'000'000;
    o.ballast_bytes = 0;
    return o;
  }
  test::TempFolder folder_;
  capture::FrameStore store_{options(folder_ / "frames")};
};

TEST_F(StorePoolTest, ShowsStoredFramesWithIdGroupAndPicture) {
  const auto first = store_.put(frame("a_drive_000001", 10)), second = store_.put(frame("lonely", 90));
  int reads = 0;
  const StorePool pool(store_, [&] { ++reads; });
  const auto frames = pool.frames();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].id, first.id);
  EXPECT_EQ(frames[0].group, "a_drive");
  EXPECT_EQ(frames[0].size_px, cv::Size(64, 48));
  EXPECT_EQ(frames[1].group, "");
  EXPECT_EQ(pool.image_rgb(second.id).at<cv::Vec3b>(0, 0), cv::Vec3b(90, 20, 30));
  EXPECT_TRUE(pool.image_rgb("000000000099_gone").empty());
  EXPECT_EQ(reads, 2);
}

TEST_F(StorePoolTest, TwoDrivesMayRepeatNames) {
  const auto first = store_.put(frame("000001", 10)), second = store_.put(frame("000001", 90));
  EXPECT_NE(first.id, second.id);
  EXPECT_EQ(StorePool(store_).image_rgb(first.id).at<cv::Vec3b>(0, 0)[0], 10);
}

TEST_F(StorePoolTest, MarksFollowTheUseAndMayBeRepeated) {
  const auto asked = store_.put(frame("a_1", 10)).id, plain = store_.put(frame("a_2", 20)).id;
  std::map<std::string, FrameUse> use{{asked, {true, 3}}, {"000000000077_gone", {true, 1}}};
  mark_frames(store_, use);
  mark_frames(store_, use);
  EXPECT_EQ(store_.find(asked)->unsent, 3);
  EXPECT_EQ(store_.find(asked)->source, capture::ValueSource::asked);
  EXPECT_EQ(store_.find(plain)->unsent, 0);
  EXPECT_EQ(store_.find(plain)->source, capture::ValueSource::colour);
  use[asked].unanswered = 1;
  mark_frames(store_, use);
  EXPECT_EQ(store_.find(asked)->unsent, 1);
}

}  // namespace
}  // namespace driftloop::daemon

#include <gtest/gtest.h>

#include "config/check.h"
#include "config/durable_file.h"
#include "config/label_space.h"
#include "station/label_source.h"
#include "tests/station/truth.h"
#include "tests/support/temp_folder.h"
#include "uplink/digest.h"

namespace driftloop::station::test {
namespace {
namespace fs = std::filesystem;
using Outcome = uplink::LabelReply::Outcome;

Request request_for(const uplink::RegionRequest& region) {
  return {uplink::digest_of(uplink::encode(region)), region};
}

class OracleTest : public testing::Test {
 protected:
  OracleTest() {
    write_truth(folder / "truth");
    options.folder = (folder / "truth").string();
  }
  uplink::LabelReply ask(const uplink::RegionRequest& region) {
    return make_label_source(options)->answer(request_for(region), 42).value();
  }
  std::string refusal(const uplink::RegionRequest& region) {
    const auto reply = ask(region);
    EXPECT_EQ(reply.outcome, Outcome::refused);
    EXPECT_EQ(uplink::problem_of(reply), "");
    return reply.reason;
  }
  static cv::Mat mask_of(const uplink::LabelReply& reply) {
    const std::vector<unsigned char> png(reply.mask_png.begin(), reply.mask_png.end());
    return cv::imdecode(png, cv::IMREAD_UNCHANGED);
  }
  driftloop::test::TempFolder folder;
  LabelSourceOptions options;
};

TEST_F(OracleTest, AnswersWithTheTruthOfTheBox) {
  const auto region = numbered_request(27, "van-1");
  const auto reply = ask(region);
  ASSERT_EQ(reply.outcome, Outcome::labelled) << reply.reason;
  EXPECT_EQ(reply.labelled_ns, 42);
  const cv::Mat expected = truth_of(27)(cv::Rect(region.box.x, region.box.y, 16, 8));
  EXPECT_EQ(cv::norm(mask_of(reply), expected, cv::NORM_INF), 0);
}

TEST_F(OracleTest, MapsIdsAndFoldsIntoTheLabelSpace) {
  options.ids = "cityscapes";
  options.label_space = "camvid11";
  cv::imwrite(options.folder + "/frame_0.png", cv::Mat(kHeight, kWidth, CV_8UC1, cv::Scalar(27)));  // truck
  const cv::Mat mask = mask_of(ask(numbered_request(0, "van-1")));
  EXPECT_EQ(mask.at<std::uint8_t>(0, 0), 13);  // car
}

TEST_F(OracleTest, EveryAnswerItCannotGiveIsRefusedWithItsReason) {
  auto region = numbered_request(1, "van-1");
  region.frame_name = "missing";
  EXPECT_EQ(refusal(region), "there is no label file missing.png");
  config::write_durably(options.folder + "/broken.png", "not a PNG");
  region.frame_name = "broken";
  EXPECT_NE(refusal(region).find("cannot be read"), std::string::npos);
  cv::imwrite(options.folder + "/colour.png", cv::Mat(kHeight, kWidth, CV_8UC3, cv::Scalar(1, 2, 3)));
  region.frame_name = "colour";
  EXPECT_NE(refusal(region).find("8-bit with one channel"), std::string::npos);
  cv::imwrite(options.folder + "/small.png", cv::Mat(8, 8, CV_8UC1, cv::Scalar(1)));
  region.frame_name = "small";
  EXPECT_EQ(refusal(region), "the label map of small is 8x8, the frame 64x32");
  cv::imwrite(options.folder + "/other.png", cv::Mat(kHeight, kWidth, CV_8UC1, cv::Scalar(77)));
  region.frame_name = "other";
  EXPECT_NE(refusal(region).find("holds the value 77"), std::string::npos);
}

TEST_F(OracleTest, AMissingFolderAndAnUnknownNameAreErrors) {
  options.folder = "/nowhere";
  EXPECT_THROW(make_label_source(options), Error);
  options.folder = (folder / "truth").string();
  options.ids = "citiscapes";
  EXPECT_THROW(make_label_source(options), Error);
  options.ids = "trainids";
  options.source = "orakle";
  EXPECT_THROW(make_label_source(options), Error);
}

}  // namespace
}  // namespace driftloop::station::test

#include "adapt/data/dataset.h"

#include <gmock/gmock.h>

#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <random>

#include "adapt/data/augment.h"
#include "adapt/data/frame_pool.h"
#include "adapt/data/image_file.h"
#include "config/check.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {
using test::error_of;
using testing::HasSubstr;
namespace fs = std::filesystem;

class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "train/images");
    fs::create_directories(folder_ / "train/labels");
    add("seq_001", 3);
    add("seq_002", 4);
  }
  void add(const std::string& name, int id) {
    cv::imwrite((folder_ / ("train/images/" + name + ".png")).string(),
                cv::Mat(40, 50, CV_8UC3, cv::Scalar(1, 2, 3)));
    cv::imwrite((folder_ / ("train/labels/" + name + ".png")).string(),
                cv::Mat(40, 50, CV_8UC1, cv::Scalar(id)));
  }
  std::string spec() const { return "camvid:" + folder_.path().string(); }
  test::TempFolder folder_;
};

TEST_F(FolderTest, ReadsImagesAsRgbAndLabelsAsTrainIds) {
  const auto data = open_dataset(spec(), "");
  ASSERT_EQ(data->size(), 2U);
  EXPECT_EQ(data->id(0), "seq_001");
  EXPECT_EQ(data->group(0), "seq");
  EXPECT_EQ(data->image_rgb(0).at<cv::Vec3b>(0, 0), cv::Vec3b(3, 2, 1));
  EXPECT_EQ(data->label(0).at<std::uint8_t>(0, 0), 0);  // CamVid 3 is road
  EXPECT_EQ(data->label(1).at<std::uint8_t>(0, 0), 1);
}

TEST_F(FolderTest, BadInputIsNamed) {
  EXPECT_THAT(error_of([&] { open_dataset("camvid:/nowhere", ""); }),
              HasSubstr("no folder of images at /nowhere/train/images"));
  EXPECT_THAT(error_of([&] { open_dataset("camvd:/x", ""); }), HasSubstr("did you mean 'camvid'"));
  EXPECT_THAT(error_of([&] { open_dataset("/x", ""); }), HasSubstr("write it as kind:argument"));
  add("seq_003", 40);
  EXPECT_THAT(error_of([&] { open_dataset(spec(), "")->label(2); }),
              HasSubstr("seq_003.png holds the value 40"));
  std::ofstream(folder_ / "train/images/seq_003.png") << "not a picture";
  EXPECT_THAT(error_of([&] { open_dataset(spec(), "")->image_rgb(2); }),
              HasSubstr("seq_003.png is not a readable image"));
  cv::imwrite((folder_ / "train/labels/seq_003.png").string(), cv::Mat(40, 50, CV_8UC3, cv::Scalar(1, 2, 3)));
  EXPECT_THAT(error_of([&] { open_dataset(spec(), "")->label(2); }), HasSubstr("one byte per pixel"));
  fs::remove(folder_ / "train/labels/seq_003.png");
  EXPECT_THAT(error_of([&] { open_dataset(spec(), ""); }), HasSubstr("1 of 3 images have no label"));
  fs::remove_all(folder_ / "train/images");
  fs::create_directories(folder_ / "train/images");
  EXPECT_THAT(error_of([&] { open_dataset(spec(), ""); }), HasSubstr("no images"));
  EXPECT_THAT(error_of([&] { open_dataset("streetsim:street?frame=3", ""); }),
              HasSubstr("did you mean 'frames'"));
  EXPECT_THAT(error_of([&] { open_dataset("streetsim:street?frames=x", ""); }),
              HasSubstr("must be a whole number"));
}

TEST_F(FolderTest, ImageAndLabelOfDifferentSizesAreNamedTogether) {
  cv::imwrite((folder_ / "train/labels/seq_002.png").string(), cv::Mat(20, 50, CV_8UC1, cv::Scalar(3)));
  const auto data = open_dataset(spec(), "");
  EXPECT_EQ(labelled_image(*data, 0).label.size(), cv::Size(50, 40));
  const std::string error = error_of([&] { labelled_image(*data, 1); });
  for (const char* part : {"images/seq_002.png", "labels/seq_002.png", "50x40", "50x20"})
    EXPECT_THAT(error, HasSubstr(part));
}

TEST(ImageFileTest, AJpegCutOffAnywhereIsNotWhole) {
  cv::Mat picture(64, 96, CV_8UC3);
  cv::randu(picture, 0, 255);
  std::vector<std::uint8_t> bytes;
  for (const int restart : {0, 2}) {  // also with restart markers within the scan
    ASSERT_TRUE(cv::imencode(".jpg", picture, bytes, {cv::IMWRITE_JPEG_RST_INTERVAL, restart}));
    const std::string_view whole(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    EXPECT_TRUE(jpeg_is_whole(whole));
    EXPECT_TRUE(jpeg_is_whole(std::string(whole) + "trailer of a camera"));
    for (std::size_t length = 2; length < whole.size(); ++length)
      ASSERT_FALSE(jpeg_is_whole(whole.substr(0, length))) << length << " of " << whole.size();
  }
}

TEST(ImageFileTest, AThumbnailsEndIsNotThePicturesEnd) {
  std::vector<std::uint8_t> bytes;
  ASSERT_TRUE(cv::imencode(".jpg", cv::Mat(40, 40, CV_8UC3, cv::Scalar(9, 99, 200)), bytes));
  std::string data(bytes.begin(), bytes.end());
  const std::string thumbnail = std::string("\xFF\xE1\x00\x08", 4) + "Exif\xFF\xD9";  // APP1 of 8 bytes
  data.insert(2, thumbnail);
  EXPECT_TRUE(jpeg_is_whole(data));
  EXPECT_FALSE(jpeg_is_whole(data.substr(0, data.size() - 2)));
}

TEST(ImageFileTest, OtherFormatsAreLeftToTheirReader) {
  EXPECT_TRUE(jpeg_is_whole(""));
  EXPECT_TRUE(jpeg_is_whole("\x89PNG"));
}

TEST(ImageFileTest, TheHeadSaysTheSize) {
  const test::TempFolder folder;
  const cv::Mat picture(37, 91, CV_8UC3, cv::Scalar(9, 99, 200));
  std::vector<std::uint8_t> bytes;
  const auto written = [&](std::string name, std::string_view data) {
    std::ofstream(folder.path() / name, std::ios::binary) << data;
    return folder.path() / name;
  };
  const auto text = [&] { return std::string(bytes.begin(), bytes.end()); };
  for (const int progressive : {0, 1}) {
    ASSERT_TRUE(cv::imencode(".jpg", picture, bytes, {cv::IMWRITE_JPEG_PROGRESSIVE, progressive}));
    EXPECT_EQ(stated_size_px(written("a.jpg", text())), picture.size());
  }
  std::string turned = text();
  turned.insert(2, std::string("\xFF\xE1\x00\x08", 4) + "Exif\0\0");  // a camera may have been held upright
  EXPECT_EQ(stated_size_px(written("b.jpg", turned)), std::nullopt);
  const std::string jpeg = text();
  ASSERT_TRUE(cv::imencode(".png", picture, bytes));
  EXPECT_EQ(stated_size_px(written("a.png", text())), picture.size());
  for (const std::string& whole : {jpeg, text()})
    for (std::size_t length = 0; length < std::min<std::size_t>(whole.size(), 700); ++length) {
      const auto size = stated_size_px(written("cut", std::string_view(whole).substr(0, length)));
      ASSERT_TRUE(!size || *size == picture.size()) << length;
    }
  EXPECT_EQ(stated_size_px(written("a.txt", "no picture")), std::nullopt);
  EXPECT_THROW(stated_size_px(folder.path() / "none.png"), Error);
}

TEST_F(FolderTest, SizesNeedNoDecoding) {
  const auto data = open_dataset("folder:" + folder_.path().string(), "train");
  EXPECT_EQ(data->size_px(0), cv::Size(50, 40));
  EXPECT_EQ(data->size_px(0), data->image_rgb(0).size());
}

TEST(CachedPoolTest, KeepsWhatWasAskedForLastAndForgetsWhatIsGone) {
  class Counting : public FramePool {
   public:
    std::vector<PoolFrame> frames() const override { return frames_; }
    cv::Mat image_rgb(const std::string& id) const override {
      ++reads;
      return there(id) ? cv::Mat(10, 20, CV_8UC3, cv::Scalar(7)) : cv::Mat();
    }
    bool there(const std::string& id) const {
      return std::any_of(frames_.begin(), frames_.end(), [&](const auto& f) { return f.id == id; });
    }
    std::vector<PoolFrame> frames_{{"a", "", {20, 10}}, {"b", "", {20, 10}}, {"c", "", {20, 10}}};
    mutable int reads = 0;
  };
  Counting inner;
  const CachedPool pool(inner, 2 * 600);  // two of the three
  const auto reads = [&](std::initializer_list<const char*> ids) {
    inner.reads = 0;
    for (const char* id : ids) EXPECT_EQ(pool.image_rgb(id).at<cv::Vec3b>(9, 19)[0], 7);
    return inner.reads;
  };
  EXPECT_EQ(reads({"a", "b", "a", "b", "a"}), 2);
  EXPECT_EQ(reads({"c", "a", "c"}), 1) << "b was asked for before a";
  EXPECT_EQ(reads({"b"}), 1);
  inner.frames_.erase(inner.frames_.begin());
  EXPECT_EQ(pool.frames().size(), 2U);
  EXPECT_TRUE(pool.image_rgb("a").empty());
  EXPECT_EQ(reads({"b", "c", "b", "c"}), 0);
}

TEST(DatasetTableTest, EveryKindSaysHowItIsWritten) {
  for (const auto& line : dataset_kinds()) {
    const std::string name = line.substr(0, line.find(':'));
    EXPECT_THAT(line, HasSubstr(name + ": " + name + ":"));
    EXPECT_NO_THROW(config::label_space(dataset_label_space(name + ":x")));
  }
}

TEST(AugmentTest, CropsHaveTheirSizeAndIgnoreWhatIsOutside) {
  InputOptions options;
  options.crop_width_px = 70;
  options.crop_height_px = 45;
  config::Random random(1);
  const View view{cv::Mat(60, 80, CV_8UC3, cv::Scalar(9, 9, 9)), cv::Mat(60, 80, CV_8UC1, cv::Scalar(4))};
  bool padded = false;
  for (int i = 0; i < 50; ++i) {
    const View crop = random_crop(options, view, random);
    ASSERT_EQ(crop.image_rgb.size(), cv::Size(70, 45));
    ASSERT_EQ(crop.label.size(), cv::Size(70, 45));
    for (int y = 0; y < 45; ++y)
      for (int x = 0; x < 70; ++x) {
        const bool outside = crop.label.at<std::uint8_t>(y, x) == config::kIgnore;
        padded |= outside;
        EXPECT_EQ(crop.image_rgb.at<cv::Vec3b>(y, x) == cv::Vec3b(9, 9, 9), !outside);
      }
  }
  EXPECT_TRUE(padded);
}

TEST(AugmentTest, ACropOnALabelHoldsOne) {
  InputOptions options;
  options.crop_width_px = options.crop_height_px = 33;
  config::Random random(2);
  View view{cv::Mat(200, 300, CV_8UC3, cv::Scalar(9, 9, 9)),
            cv::Mat(200, 300, CV_8UC1, cv::Scalar(config::kIgnore))};
  view.label(cv::Rect(250, 20, 8, 8)).setTo(3);
  for (int i = 0; i < 100; ++i)
    EXPECT_GT(cv::countNonZero(random_crop_on_label(options, view, random).label == 3), 0);
}

/// What is cut out before it is resized is what was resized before it was cut out, but for the border and
/// the rounding of the scale.
TEST(AugmentTest, ACropShowsTheSamePlaceInPictureAndLabel) {
  InputOptions options;
  options.crop_width_px = 120;
  options.crop_height_px = 90;
  options.work_long_side_px = 240;
  View view{cv::Mat(360, 480, CV_8UC3), cv::Mat(360, 480, CV_8UC1)};
  for (int y = 0; y < 360; ++y)
    for (int x = 0; x < 480; ++x) {
      const auto stripe = static_cast<std::uint8_t>(x / 40 + y / 40);
      view.label.at<std::uint8_t>(y, x) = stripe;
      view.image_rgb.at<cv::Vec3b>(y, x) = cv::Vec3b(static_cast<std::uint8_t>(stripe * 12), 0, 0);
    }
  config::Random random(3);
  for (int i = 0; i < 50; ++i) {
    const View crop = random_crop(options, view, random);
    int inside = 0, apart = 0;
    for (int y = 0; y < 90; ++y)
      for (int x = 0; x < 120; ++x) {
        const int label = crop.label.at<std::uint8_t>(y, x);
        if (label == config::kIgnore) continue;
        ++inside;
        apart += std::abs(label * 12 - crop.image_rgb.at<cv::Vec3b>(y, x)[0]) > 8;
      }
    EXPECT_LT(apart, 0.2 * inside) << "only at the stripes' borders, where the picture is a mean";
  }
}

TEST(AugmentTest, WorkingSizeKeepsTheAspect) {
  EXPECT_EQ(working_size(240, {480, 360}), cv::Size(240, 180));
  EXPECT_EQ(working_size(0, {480, 360}), cv::Size(480, 360));
}

}  // namespace
}  // namespace driftloop::adapt

// Dress rehearsal of the published benchmarks: their presets, from the first step to the table, on miniatures
// of the three data sets in their own layouts. Nothing is cut but sizes and steps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <cstdio>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "adapt/data/streetsim/streetsim.h"
#include "config/label_space.h"
#include "tests/e2e/programs.h"
#include "tests/support/temp_folder.h"

namespace driftloop::e2e {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int kWidth = 1024, kHeight = 512;

adapt::Streetsim drive(const char* look, std::int64_t seed) {
  adapt::StreetsimOptions options;
  options.width = kWidth;
  options.height = kHeight;
  options.look = look;
  options.seed = seed;
  return adapt::Streetsim(options);
}

/// trainIds as this data set numbers them; what it does not have is void.
cv::Mat numbered(const cv::Mat& train_ids, const char* table_name) {
  const auto& table = config::id_table(table_name);
  cv::Mat to(1, 256, CV_8UC1, cv::Scalar(0)), ids;
  for (int id = 255; id > 0; --id)
    if (const int train_id = table[static_cast<std::size_t>(id)]; train_id != config::kIgnore)
      to.at<std::uint8_t>(train_id) = static_cast<std::uint8_t>(id);
  cv::LUT(train_ids, to, ids);
  return ids;
}

void write(const fs::path& file, const cv::Mat& picture) {
  fs::create_directories(file.parent_path());
  ASSERT_TRUE(cv::imwrite(file.string(), picture)) << file;
}

void write_rgb(const fs::path& file, const cv::Mat& image_rgb) {
  cv::Mat bgr;
  cv::cvtColor(image_rgb, bgr, cv::COLOR_RGB2BGR);
  write(file, bgr);
}

/// As GTAV has its labels: an index into a palette.
void write_palette(const fs::path& file, const cv::Mat& ids) {
  fs::create_directories(file.parent_path());
  std::vector<png_byte> colours(256 * 3);
  for (std::size_t i = 0; i < colours.size(); ++i) colours[i] = static_cast<png_byte>(7 + i % 27);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(ids.cols);
  image.height = static_cast<png_uint_32>(ids.rows);
  image.format = PNG_FORMAT_RGB_COLORMAP;
  image.colormap_entries = 256;
  ASSERT_NE(png_image_write_to_file(&image, file.c_str(), 0, ids.data, static_cast<png_int_32>(ids.step),
                                    colours.data()),
            0);
}

/// As SYNTHIA has them: 16 bits, the class in the first channel, the instance in the second.
void write_sixteen_bits(const fs::path& file, const cv::Mat& ids) {
  cv::Mat wide, all;
  ids.convertTo(wide, CV_16U);
  const std::vector<cv::Mat> bgr{cv::Mat::zeros(ids.size(), CV_16UC1),
                                 cv::Mat(ids.size(), CV_16UC1, cv::Scalar(4711)), wide};
  cv::merge(bgr, all);
  write(file, all);
}

std::string number(int value, const char* format) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

class Paper : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<test::TempFolder>();
    const auto game = drive("game", 1), town = drive("street", 7), other = drive("street", 1001);
    for (int i = 0; i < 4; ++i) {
      const auto frame = game.frame(40 * i);
      const fs::path gtav = *folder_ / "data" / "gtav", synthia = *folder_ / "data" / "synthia";
      write_rgb(gtav / "images" / (number(i + 1, "%05d") + ".png"), frame.image_rgb);
      write_palette(gtav / "labels" / (number(i + 1, "%05d") + ".png"), numbered(frame.label, "cityscapes"));
      write_rgb(synthia / "RGB" / (number(i, "%07d") + ".png"), frame.image_rgb);
      write_sixteen_bits(synthia / "GT" / "LABELS" / (number(i, "%07d") + ".png"),
                         numbered(frame.label, "synthia"));
    }
    for (int i = 0; i < 4; ++i) city("train", i % 2 == 0 ? "aachen" : "bochum", i, town.frame(40 * i));
    for (int i = 0; i < 2; ++i) city("val", "munster", i, other.frame(40 * i));
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static void city(const std::string& split, const std::string& name, int i,
                   const adapt::StreetFrame& frame) {
    const fs::path root = *folder_ / "data" / "cityscapes";
    const std::string stem = name + number(i, "_000000_%06d_");
    write_rgb(root / "leftImg8bit" / split / name / (stem + "leftImg8bit.png"), frame.image_rgb);
    write(root / "gtFine" / split / name / (stem + "gtFine_labelIds.png"),
          config::published_ids(frame.label));
  }

  /// The preset's own command with sizes and steps cut, and its report.
  static nlohmann::json rehearse(const std::string& preset, const std::string& source,
                                 const std::vector<std::string>& arms, const std::string& variant) {
    const fs::path out = *folder_ / preset;
    std::string names;
    for (const auto& arm : arms) names += (names.empty() ? "" : ", ") + arm;
    std::vector<std::string> command{kDriftloop, "bench", preset, "--seeds", "1", "--out", out.string()};
    for (const std::string& set :
         {"data_root=" + (*folder_ / "data").string(), "source=" + source, std::string("start=\"\""),
          std::string("warmup_steps=3"), "arms=[" + names + "]",
          std::string("rounds=[{steps: 2, budget: {regions: 0}}, {steps: 4, strategy: cover, budget: {share: "
                      "0.01}}]"),
          std::string("variants[0].rounds=[{steps: 3, strategy: image_random, budget: {images: 1}}, "
                      "{steps: 3, strategy: image_entropy, budget: {images: 1}}]"),
          variant, std::string("engine.device=cpu"), std::string("engine.model.width=0.125"),
          std::string("engine.input.work_long_side_px=512"), std::string("engine.input.crop_width_px=193"),
          std::string("engine.input.crop_height_px=129"), std::string("evaluation.window_px=193"),
          std::string("evaluation.stride_px=129")})
      command.insert(command.end(), {"--set", set});
    const Outcome made = run(command, *folder_ / (preset + "_run"), std::chrono::seconds(600));
    EXPECT_EQ(made.status, 0) << made.all();
    EXPECT_THAT(made.out, HasSubstr("published: STAL, DeepLabV3+ R101"));
    return read_json(out / "seed_1" / "report.json");
  }

  static void expect_rehearsed(const nlohmann::json& report, const std::vector<std::string>& arms) {
    ASSERT_EQ(report.at("arms").size(), arms.size());
    const auto& engine = report.at("config").at("engine");
    EXPECT_EQ(engine.at("model").at("name"), "deeplabv3plus_r101");
    EXPECT_EQ(engine.at("model").at("output_stride"), 8);
    for (std::size_t a = 0; a < arms.size(); ++a) {
      const auto& arm = report.at("arms").at(a);
      EXPECT_EQ(arm.at("name"), arms[a]);
      const auto& last = arm.at("rounds").back();
      EXPECT_EQ(last.at("steps"), 6) << arms[a];
      EXPECT_TRUE(last.at("miou").is_number()) << arms[a];
      EXPECT_EQ(last.at("space_miou").size(), 4u) << "19, 16, 13 and 11 classes";
      if (arms[a] == "source_only") continue;
      for (const char* term : {"source", "target", "consistency", "contrast"})
        EXPECT_GT(last.at("losses").at(term).get<double>(), 0) << arms[a] << ' ' << term;
    }
  }

  static inline std::unique_ptr<test::TempFolder> folder_;
};

TEST_F(Paper, GtavToCityscapesRunsFromTheFirstStepToTheTable) {
  const std::vector<std::string> arms{"source_only", "stal", "ripu_per_image", "cover", "full"};
  const auto report =
      rehearse("gtav2cityscapes_5", "gtav:gtav", arms,
               "variants[3].rounds=[{steps: 6, strategy: ripu, budget: {pixels_per_frame: 90}}]");
  expect_rehearsed(report, arms);
  const auto& stal = report.at("arms").at(1).at("rounds");
  EXPECT_EQ(stal.back().at("frames"), 2) << "one image a round";
  EXPECT_EQ(stal.back().at("image_pixels"), stal.back().at("labelled_pixels"));
}

TEST_F(Paper, SynthiaToCityscapesRunsFromTheFirstStepToTheTable) {
  const std::vector<std::string> arms{"source_only", "stal", "ripu_40px", "cover"};
  const auto report =
      rehearse("synthia2cityscapes_2.2", "synthia:synthia?first=3", arms,
               "variants[4].rounds=[{steps: 6, strategy: ripu_pixel, budget: {pixels_per_frame: 8}}]");
  expect_rehearsed(report, arms);
}

TEST_F(Paper, APartialDataSetIsRefusedBeforeAnyWork) {
  fs::remove(*folder_ / "data" / "gtav" / "labels" / "00003.png");
  const fs::path out = *folder_ / "partial";
  const Outcome refused = run({kDriftloop, "bench", "gtav2cityscapes_5", "--out", out.string(), "--set",
                               "data_root=" + (*folder_ / "data").string(), "--set", "source=gtav:gtav"},
                              *folder_ / "refused");
  EXPECT_EQ(refused.status, 1) << refused.all();
  EXPECT_THAT(refused.err, HasSubstr("source: "));
  EXPECT_THAT(refused.err, HasSubstr("00003.png"));
  EXPECT_EQ(lines_of(refused.err).size(), 1u) << refused.err;
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace driftloop::e2e

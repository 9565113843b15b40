// Miniatures of each published data set in its own layout, odd files included.
#include "adapt/data/layout.h"

#include <gmock/gmock.h>
#include <png.h>

#include <fstream>
#include <map>
#include <opencv2/imgcodecs.hpp>

#include "adapt/data/dataset.h"
#include "adapt/data/dataset_check.h"
#include "adapt/data/dataset_table.h"
#include "adapt/data/label_file.h"
#include "config/check.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {
namespace fs = std::filesystem;
using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kWidth = 16, kHeight = 8;

fs::path made(const fs::path& file) {
  fs::create_directories(file.parent_path());
  return file;
}

void picture(const fs::path& file, int width = kWidth) {
  cv::imwrite(made(file).string(), cv::Mat(kHeight, width, CV_8UC3, cv::Scalar(10, 20, 30)));
}

void grey(const fs::path& file, int id, int width = kWidth) {
  cv::imwrite(made(file).string(), cv::Mat(kHeight, width, CV_8UC1, cv::Scalar(id)));
}

/// 16 bits: the class in the first channel of the file, an instance in the second.
void sixteen_bits(const fs::path& file, int id) {
  cv::imwrite(made(file).string(), cv::Mat(kHeight, kWidth, CV_16UC3, cv::Scalar(0, 4711, id)));
}

/// Each index has a colour that would be another class.
void palette(const fs::path& file, int id) {
  std::vector<png_byte> pixels(kWidth * kHeight, static_cast<png_byte>(id));
  std::vector<png_byte> colours(256 * 3);
  for (std::size_t i = 0; i < colours.size(); ++i) colours[i] = static_cast<png_byte>(7 + i % 27);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = kWidth;
  image.height = kHeight;
  image.format = PNG_FORMAT_RGB_COLORMAP;
  image.colormap_entries = 256;
  ASSERT_NE(png_image_write_to_file(&image, made(file).c_str(), 0, pixels.data(), kWidth, colours.data()), 0);
}

void litter(const fs::path& folder) {
  for (const char* name : {".DS_Store", "._a.png", "Thumbs.db", "readme.txt"})
    std::ofstream(made(folder / name)) << "not a picture";
}

struct Expected {
  std::string id, group;
  int train_id;
};

/// Two images of the default split, and how a line of a published list names the first.
struct Miniature {
  void (*build)(const fs::path& root);
  std::vector<Expected> files;
  std::string line;
};

void build_cityscapes(const fs::path& root) {
  const fs::path images = root / "leftImg8bit/train", labels = root / "gtFine/train";
  picture(images / "aachen/aachen_000000_000019_leftImg8bit.png");
  grey(labels / "aachen/aachen_000000_000019_gtFine_labelIds.png", 26);
  picture(images / "bochum/bochum_000000_000313_leftImg8bit.png");
  grey(labels / "bochum/bochum_000000_000313_gtFine_labelIds.png", 7);
  grey(labels / "bochum/bochum_000000_000313_gtFine_labelTrainIds.png", 1);  // made, perhaps otherwise
  picture(labels / "bochum/bochum_000000_000313_gtFine_color.png");
  sixteen_bits(labels / "bochum/bochum_000000_000313_gtFine_instanceIds.png", 26);
  picture(images / "bochum/a_preview.png");
  litter(images), litter(images / "aachen");
}

void build_gtav(const fs::path& root) {
  picture(root / "images/00001.png");
  palette(root / "labels/00001.png", 24);
  picture(root / "images/00002.png");
  palette(root / "labels/00002.png", 34);  // a licence plate, as void
  litter(root / "images");
}

void build_synthia(const fs::path& root) {
  picture(root / "RGB/0000000.png");
  sixteen_bits(root / "GT/LABELS/0000000.png", 21);
  picture(root / "RGB/0000001.png");
  sixteen_bits(root / "GT/LABELS/0000001.png", 22);
  picture(root / "GT/COLOR/0000000.png");
  litter(root / "RGB");
}

void build_acdc(const fs::path& root) {
  picture(root / "rgb_anon/fog/train/GOPR0475/GOPR0475_frame_000041_rgb_anon.png");
  grey(root / "gt/fog/train/GOPR0475/GOPR0475_frame_000041_gt_labelIds.png", 33);
  picture(root / "rgb_anon/fog/train_ref/GOPR0475/GOPR0475_frame_000041_ref_rgb_anon.png");
  picture(root / "rgb_anon/night/train/GOPR0351/GOPR0351_frame_000159_rgb_anon.png");
  grey(root / "gt/night/train/GOPR0351/GOPR0351_frame_000159_gt_labelTrainIds.png", 10);
  grey(root / "gt/night/train/GOPR0351/GOPR0351_frame_000159_gt_labelIds.png", 7);
  litter(root / "rgb_anon/night/train/GOPR0351");
}

void build_bdd100k(const fs::path& root) {
  picture(root / "images/10k/train/0004a4c0-d4dff0ad.jpg");
  grey(root / "labels/sem_seg/masks/train/0004a4c0-d4dff0ad.png", 13);
  picture(root / "images/10k/train/00054602-3bf57337.jpg");
  grey(root / "labels/sem_seg/masks/train/00054602-3bf57337.png", 255);
  litter(root / "images/10k/train");
}

void build_mapillary(const fs::path& root) {
  picture(root / "training/images/aaa.jpg");
  palette(root / "training/v1.2/labels/aaa.png", 24);
  picture(root / "training/images/bbb.jpg");
  palette(root / "training/v1.2/labels/bbb.png", 65);
  litter(root / "training/images");
}

void build_camvid(const fs::path& root) {
  picture(root / "train/0001TP_006690.png");
  grey(root / "trainannot/0001TP_006690.png", 5);
  picture(root / "train/0006R0_f00930.png");
  grey(root / "trainannot/0006R0_f00930.png", 11);
  litter(root / "train");
}

void build_folder(const fs::path& root) {
  picture(root / "images/drive_1.jpg");
  grey(root / "labels/drive_1.png", 18);
  picture(root / "images/other_2.JPG");
  grey(root / "labels/other_2.png", 0);
  litter(root / "images");
}

const std::map<std::string, Miniature>& miniatures() {
  static const std::map<std::string, Miniature> all = {
      {"cityscapes",
       {build_cityscapes,
        {{"aachen_000000_000019", "aachen", 13}, {"bochum_000000_000313", "bochum", 1}},
        "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"}},
      {"gtav",
       {build_gtav,
        {{"00001", "", 11}, {"00002", "", 255}},
        "leftImg8bit/train/gta5/gta5_00001_000019_leftImg8bit.png"}},
      {"synthia",
       {build_synthia,
        {{"0000000", "", 3}, {"0000001", "", 255}},
        "leftImg8bit/train/synthia/synthia_0000000_000019_leftImg8bit.png"}},
      {"acdc",
       {build_acdc,
        {{"GOPR0351_frame_000159", "night/GOPR0351", 10}, {"GOPR0475_frame_000041", "fog/GOPR0475", 18}},
        "rgb_anon/night/train/GOPR0351/GOPR0351_frame_000159_rgb_anon.png"}},
      {"bdd100k",
       {build_bdd100k,
        {{"0004a4c0-d4dff0ad", "", 13}, {"00054602-3bf57337", "", 255}},
        "0004a4c0-d4dff0ad.jpg"}},
      {"mapillary", {build_mapillary, {{"aaa", "", 0}, {"bbb", "", 255}}, "training/images/aaa.jpg"}},
      {"camvid",
       {build_camvid,
        {{"0001TP_006690", "0001TP", 8}, {"0006R0_f00930", "0006R0", 255}},
        "/SegNet/CamVid/train/0001TP_006690.png /SegNet/CamVid/trainannot/0001TP_006690.png"}},
      {"folder", {build_folder, {{"drive_1", "drive", 18}, {"other_2", "other", 0}}, "images/drive_1.jpg"}}};
  return all;
}

std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  for (const auto& kind : file_kinds()) names.emplace_back(kind.name);
  return names;
}

class LayoutTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(miniatures().contains(GetParam())) << "a kind without a miniature";
    mini().build(folder_.path());
  }
  const Miniature& mini() const { return miniatures().at(GetParam()); }
  std::string spec(const std::string& options = "") const {
    return GetParam() + ':' + folder_.path().string() + options;
  }
  fs::path list_of(const std::string& text) const {
    std::ofstream(folder_ / "list.txt") << text;
    return folder_ / "list.txt";
  }
  test::TempFolder folder_;
};

TEST_P(LayoutTest, EachImageHasItsIdGroupAndTrainIds) {
  const auto data = open_dataset(spec(), "");
  ASSERT_EQ(data->size(), mini().files.size());
  for (std::size_t i = 0; i < data->size(); ++i) {
    const Expected& expected = mini().files[i];
    EXPECT_EQ(data->id(i), expected.id);
    EXPECT_EQ(data->group(i), expected.group);
    const auto both = labelled_image(*data, i);
    EXPECT_EQ(both.image_rgb.size(), cv::Size(kWidth, kHeight));
    double least = 0, most = 0;
    cv::minMaxLoc(both.label, &least, &most);
    EXPECT_EQ(least, expected.train_id) << expected.id;
    EXPECT_EQ(most, expected.train_id) << expected.id;
  }
}

TEST_P(LayoutTest, APublishedListChoosesItsOwnImages) {
  std::string others;  // the released lists hold the source's and the target's images
  for (const std::string kind : {"cityscapes", "gtav", "synthia"})
    if (GetParam() != kind && miniatures().at(GetParam()).line.starts_with("leftImg8bit"))
      others += miniatures().at(kind).line + '\n';
  const auto list = list_of("# a comment\n\n" + mini().line + "\r\n" + others);
  const auto data = open_dataset(spec("?list=" + list.string()), "");
  ASSERT_EQ(data->size(), 1U);
  EXPECT_EQ(data->id(0), mini().files[0].id);
  const auto other = list_of(mini().line + "\nnot_there.png\n");
  EXPECT_THAT(error_of([&] { open_dataset(spec("?list=" + other.string()), ""); }),
              HasSubstr("names 1 images that are not there, the first is not_there"));
  EXPECT_THAT(error_of([&] { open_dataset(spec("?list=/nowhere.txt"), ""); }), HasSubstr("/nowhere.txt"));
}

TEST_P(LayoutTest, PartsOfItAreTheSameEverywhere) {
  EXPECT_EQ(open_dataset(spec("?first=1"), "")->id(0), mini().files[0].id);
  EXPECT_EQ(open_dataset(spec("?skip=1"), "")->id(0), mini().files[1].id);
  EXPECT_EQ(open_dataset(spec("?sample=1&seed=1"), "")->size(), 1U);
  EXPECT_THAT(error_of([&] { open_dataset(spec("?sample=3"), ""); }), HasSubstr("sample=3 of 2 images"));
  EXPECT_THAT(error_of([&] { open_dataset(spec("?skip=2"), ""); }), HasSubstr("leaves no image"));
  EXPECT_THAT(error_of([&] { open_dataset(spec("?frst=1"), ""); }), HasSubstr("did you mean 'first'"));
  EXPECT_THAT(error_of([&] { open_dataset(spec("?first=x"), ""); }), HasSubstr("must be a whole number"));
  const std::string& group = mini().files[1].group;
  if (group.empty()) return;
  const auto one = open_dataset(spec("?group=" + group), "");
  ASSERT_EQ(one->size(), 1U);
  EXPECT_EQ(one->id(0), mini().files[1].id);
  const std::string whole = group.substr(0, group.find('/'));
  EXPECT_EQ(open_dataset(spec("?group=" + whole), "")->size(), 1U);
  EXPECT_THAT(error_of([&] { open_dataset(spec("?group=" + whole + ",x"), ""); }),
              HasSubstr("group 'x' is not known"));
}

TEST_P(LayoutTest, AMissingFolderOrSplitIsNamedWithTheLayout) {
  const std::string error = error_of([&] { open_dataset(GetParam() + ":/nowhere", ""); });
  EXPECT_THAT(error, HasSubstr("/nowhere"));
  EXPECT_THAT(error, HasSubstr("data set holds"));
  EXPECT_NE(error_of([&] { open_dataset(spec(), "vall"); }), "no error");
}

TEST_P(LayoutTest, TheCheckCountsAndNamesWhatIsWrong) {
  const auto good = check_dataset(spec(), "", {});
  ASSERT_EQ(good.size(), 1U);
  EXPECT_THAT(good[0].problems, ElementsAre());
  EXPECT_EQ(good[0].images, 2U);
  EXPECT_EQ(good[0].sizes.at("16x8"), 2U);
  std::int64_t pixels = good[0].ignored;
  for (const auto count : good[0].pixels) pixels += count;
  EXPECT_EQ(pixels, 2 * kWidth * kHeight);

  const auto& layout = *file_spec(spec()).kind.layout;
  std::vector<LabelledFile> files;
  const auto list = [&] {
    files = layout.list(folder_.path(), good[0].split);
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  };
  for (list(); fs::remove(files[0].label); list()) {  // the other form of the label, too, where there is one
  }
  picture(files[1].image, 2 * kWidth);
  const auto bad = check_dataset(spec(), "", {.decode_images = true, .threads = 2, .progress = {}});
  ASSERT_EQ(bad[0].problems.size(), 2U);
  EXPECT_THAT(bad[0].problems[0], HasSubstr(files[0].image.string() + " has no label"));
  EXPECT_THAT(bad[0].problems[1], HasSubstr("is 32x8 but its label is 16x8"));
  EXPECT_THAT(error_of([&] { open_dataset(spec(), ""); }), HasSubstr("1 of 2 images have no label"));
}

TEST_P(LayoutTest, AFolderAloneSaysWhatItIs) {
  EXPECT_THAT(kinds_in(folder_.path()), testing::Contains(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Kinds, LayoutTest, testing::ValuesIn(kind_names()),
                         [](const auto& kind) { return kind.param; });

/// The lists of STAL hold the source's and the target's images; ../shared is beside the repository.
TEST(PublishedLists, HoldAsManyImagesOfEachDataSetAsThePaperSays) {
  const fs::path lists = fs::path(DRIFTLOOP_TEST_CASES) / "../../../../shared/data/stal_splits";
  if (!fs::is_directory(lists)) GTEST_SKIP() << "skipped: no data (" << lists << ')';
  for (const auto& [source, layout] :
       {std::pair{"gtav", &gtav_layout()}, std::pair{"synthia", &synthia_layout()}})
    for (const auto& [share, images] :
         {std::pair{"1.0%", 30}, std::pair{"2.2%", 65}, std::pair{"5.0%", 150}}) {
      int of_source = 0, of_target = 0;
      std::ifstream file(lists / (source + std::string("2cityscapes")) / share / "labeled.txt");
      for (std::string line; std::getline(file, line);) {
        of_source += layout->id_of_line(line).empty() ? 0 : 1;
        of_target += cityscapes_layout().id_of_line(line).empty() ? 0 : 1;
      }
      EXPECT_EQ(of_source, 2000) << source << ' ' << share;
      EXPECT_EQ(of_target, images) << source << ' ' << share;
    }
}

TEST(LayoutOfTheFirstRelease, OfBdd100kIsKnown) {
  const test::TempFolder folder;
  picture(folder / "seg/images/val/a.jpg");
  grey(folder / "seg/labels/val/a_train_id.png", 3);
  const auto data = open_dataset("bdd100k:" + folder.path().string(), "val");
  EXPECT_EQ(data->label(0).at<std::uint8_t>(0, 0), 3);
}

TEST(LabelFileTest, EveryKindOfPngGivesItsIds) {
  const test::TempFolder folder;
  palette(folder / "p.png", 33);
  EXPECT_EQ(read_label_ids(folder / "p.png").at<std::uint8_t>(7, 15), 33);
  sixteen_bits(folder / "s.png", 21);
  EXPECT_EQ(read_label_ids(folder / "s.png").at<std::uint8_t>(7, 15), 21);
  cv::imwrite((folder / "g16.png").string(), cv::Mat(8, 16, CV_16UC1, cv::Scalar(18)));
  EXPECT_EQ(read_label_ids(folder / "g16.png").at<std::uint8_t>(0, 0), 18);
  cv::imwrite((folder / "big.png").string(), cv::Mat(8, 16, CV_16UC1, cv::Scalar(26001)));
  EXPECT_THAT(error_of([&] { read_label_ids(folder / "big.png"); }), HasSubstr("the value 26001"));
  // Of one bit a pixel: 0 and 1 stay 0 and 1.
  cv::Mat bits(8, 16, CV_8UC1, cv::Scalar(0));
  bits.col(3) = 255;
  cv::imwrite((folder / "one.png").string(), bits, {cv::IMWRITE_PNG_BILEVEL, 1});
  const cv::Mat ids = read_label_ids(folder / "one.png");
  EXPECT_EQ(ids.at<std::uint8_t>(2, 3), 1);
  EXPECT_EQ(ids.at<std::uint8_t>(2, 4), 0);
}

TEST(LabelFileTest, AFileCutOffAnywhereIsRefused) {
  const test::TempFolder folder;
  cv::Mat ids(16, 24, CV_8UC1);
  cv::randu(ids, 0, 19);
  std::vector<std::uint8_t> bytes;
  ASSERT_TRUE(cv::imencode(".png", ids, bytes));
  const fs::path file = folder / "cut.png";
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(length));
    ASSERT_THAT(error_of([&] { read_label_ids(file); }), HasSubstr("cut.png is not a readable label image"))
        << length << " of " << bytes.size();
  }
}

TEST(LabelFileTest, ChangedBytesDoNoHarm) {
  const test::TempFolder folder;
  palette(folder / "p.png", 5);
  std::ifstream in(folder / "p.png", std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const fs::path file = folder / "changed.png";
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const int flip : {1, 0x80, 0xff}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      std::ofstream(file, std::ios::binary) << changed;
      try {
        EXPECT_EQ(read_label_ids(file).size(), cv::Size(kWidth, kHeight));
      } catch (const Error&) {  // what it should do nearly always
      }
    }
}

}  // namespace
}  // namespace driftloop::adapt

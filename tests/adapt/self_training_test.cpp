// What a step shows beside its labels: drawn, pasted and mixed by what the student is unsure of; what of it
// is remembered.
#include "adapt/selftrain/self_training.h"

#include <gmock/gmock.h>

#include "adapt/selftrain/class_draw.h"
#include "config/label_space.h"
#include "tests/adapt/drawn_batches.h"

namespace driftloop::adapt {
namespace {
using testing::Contains;
using testing::Not;
using testing::SizeIs;

std::vector<double> confidence(double all) {
  return std::vector<double>(config::kClasses, all);
}

TEST(ClassConfidenceTest, MovesByAThousandthAndAnAbsentClassStays) {
  ClassConfidence q;
  auto sums = at::zeros({2, config::kClasses}, at::kDouble);
  sums[0][3] = 4.0;  // a mean of 0.8 over 5 pixels
  sums[1][3] = 5.0;
  q.update(sums);
  EXPECT_NEAR(q.values()[3], 0.001 * 0.8, 1e-15);
  q.update(sums);
  EXPECT_NEAR(q.values()[3], 0.999 * 0.0008 + 0.0008, 1e-15);
  q.update(at::zeros({2, config::kClasses}, at::kDouble));
  EXPECT_NEAR(q.values()[3], 0.999 * 0.0008 + 0.0008, 1e-15);
  EXPECT_EQ(q.values()[4], 0);
  TensorFile file;
  q.save(file);
  ClassConfidence back;
  back.load(file);
  EXPECT_TRUE(std::equal(q.values().begin(), q.values().end(), back.values().begin()));
  back.load({});
  EXPECT_EQ(back.values()[3], 0) << "a state of before";
}

TEST(ClassDrawTest, FollowsTheSoftmax) {
  config::Random random(4);
  const std::vector<double> logit{0, std::log(3.0), std::log(6.0)};
  std::array<int, 3> count{};
  for (int i = 0; i < 10'000; ++i) ++count[draw_by_softmax(logit, random)];
  EXPECT_NEAR(count[0], 1000, 150);
  EXPECT_NEAR(count[1], 3000, 250);
}

TEST(ClassDrawTest, RareClassesAreThoseOfTheSpaceAndDrawnOnceEach) {
  EXPECT_THAT(rare_classes("cityscapes19"), SizeIs(14));
  const auto camvid = rare_classes("camvid11");
  for (const int c : {0, 1, 2, 8, 10, 12, 14}) EXPECT_THAT(camvid, Not(Contains(c)));
  config::Random random(5);
  auto q = confidence(1);
  q[7] = 0;  // e times as likely as each other one
  int with = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto drawn = draw_unsure_classes(camvid, q, 3, random);
    EXPECT_THAT(drawn, SizeIs(3));
    EXPECT_EQ(std::set<int>(drawn.begin(), drawn.end()).size(), 3u);
    with += std::count(drawn.begin(), drawn.end(), 7) > 0;
  }
  const auto others = static_cast<double>(camvid.size() - 1);
  double missed = 1;
  for (int k = 0; k < 3; ++k) missed *= (others - k) / (others - k + std::exp(1.0));
  EXPECT_NEAR(with / 2000.0, 1 - missed, 0.04);
  EXPECT_THAT(draw_unsure_classes({4, 5}, q, 3, random), SizeIs(2));
}

TEST(ClassBankTest, RemembersTheLastLookAndTheLastFrames) {
  ClassBank bank(3);
  auto share = std::vector<double>(config::kClasses, 0);
  config::Random random(6);
  EXPECT_TRUE(bank.wish(confidence(0), random).frame_id.empty());
  share[4] = 0.0099;
  share[7] = 0.5;
  bank.saw("a", share);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(bank.wish(confidence(0), random).class_id, 7) << "below 1 %";
  share[7] = 0;
  share[5] = 0.2;
  bank.saw("a", share);
  EXPECT_EQ(bank.wish(confidence(0), random).class_id, 5) << "an older look";
  for (const char* id : {"b", "c", "a", "d"}) bank.saw(id, share);
  EXPECT_EQ(bank.size(), 3u);
  for (int i = 0; i < 30; ++i) EXPECT_NE(bank.wish(confidence(0), random).frame_id, "b") << "the oldest look";

  TensorFile file;
  bank.save(file);
  EXPECT_LE(static_cast<std::int64_t>(file.metadata.begin()->second.size()), bank.stored_bytes());
  ClassBank back(3);
  back.load(file);
  for (ClassBank* of : {&bank, &back}) of->saw("e", share);
  config::Random one(7), other(7);
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(bank.wish(confidence(0), one).frame_id, back.wish(confidence(0), other).frame_id);
  bank.forget("a");
  EXPECT_EQ(bank.size(), 2u);
}

TEST(ClassBankTest, WishesForWhatTheStudentIsUnsureOf) {
  ClassBank bank;
  auto share = std::vector<double>(config::kClasses, 0);
  share[2] = share[11] = 0.5;
  bank.saw("a", share);
  auto q = confidence(0);
  q[2] = 1;
  config::Random random(8);
  int unsure = 0;
  for (int i = 0; i < 5000; ++i) unsure += bank.wish(q, random).class_id == 11;
  EXPECT_NEAR(unsure / 5000.0, std::exp(1.0) / (1 + std::exp(1.0)), 0.03);
}

TEST(CopyPasteTest, TakesThePixelsOfItsClassesAndNothingElse) {
  torch::manual_seed(3);
  const LabelledImages to{torch::randint(0, 100, {2, 6, 8, 3}, torch::kByte),
                          torch::randint(0, 19, {2, 6, 8}, torch::kInt64)};
  LabelledImages from{torch::randint(100, 200, {2, 6, 8, 3}, torch::kByte),
                      torch::randint(0, 19, {2, 6, 8}, torch::kInt64)};
  from.label_nhw.index_put_({0, 0}, 255);
  const std::vector<std::vector<int>> classes{{3, 4, 18}, {}};
  const auto got = paste_classes(to, from, classes);
  int pasted = 0;
  for (int n = 0; n < 2; ++n)
    for (int y = 0; y < 6; ++y)
      for (int x = 0; x < 8; ++x) {
        const auto label = from.label_nhw[n][y][x].item<int>();
        const bool wanted = n == 0 && (label == 3 || label == 4 || label == 18);
        const LabelledImages& expected = wanted ? from : to;
        pasted += wanted;
        EXPECT_EQ(got.label_nhw[n][y][x].item<int>(), expected.label_nhw[n][y][x].item<int>());
        EXPECT_TRUE(torch::equal(got.image_nhwc[n][y][x], expected.image_nhwc[n][y][x]));
      }
  EXPECT_GT(pasted, 0);
}

TEST(CopyPasteTest, OnlyRareClassesOfTheSpaceComeIn) {
  TrainOptions train;
  train.copy_paste = 1;
  const SelfTraining mixing(train, {}, "camvid11");
  config::Random random(2);
  const LabelledImages to{at::zeros({1, 4, 4, 3}, at::kByte), at::zeros({1, 4, 4}, at::kLong)};
  int came = 0;
  for (int i = 0; i < 60; ++i)
    for (const int c :
         {7, 2, 6}) {  // a sign; a building, which is frequent; a light, which is of another space
      const PasteImages paste{at::full({1, 4, 4, 3}, 9, at::kByte), at::full({1, 4, 4}, c, at::kLong)};
      const auto got = mixing.labelled(to, paste, torch::kCPU, random);
      const bool pasted = got.label_nhw.eq(c).all().item<bool>();
      EXPECT_EQ(got.image_nhwc.eq(9).all().item<bool>(), pasted);
      EXPECT_TRUE(!pasted || c == 7) << c;
      came += pasted;
    }
  EXPECT_NEAR(came, 60 * 3.0 / static_cast<double>(rare_classes("camvid11").size()), 15);
}

TEST(CutMixTest, CutsTheBoxOfALargeComponentOrHalfOfTheImage) {
  cv::Mat map(40, 60, CV_8UC1, cv::Scalar(config::kIgnore));
  map(cv::Rect(3, 4, 10, 6)).setTo(11);
  map(cv::Rect(40, 30, 5, 9)).setTo(11);
  map(cv::Rect(30, 2, 3, 3)).setTo(11);  // 9 of 2400 pixels: too small
  map(cv::Rect(20, 20, 8, 8)).setTo(2);
  config::Random random(9);
  std::set<std::pair<int, int>> corners;
  for (int i = 0; i < 40; ++i) {
    const cv::Rect box = component_box(map, 11, random);
    corners.emplace(box.x, box.y);
    EXPECT_TRUE(box == cv::Rect(3, 4, 10, 6) || box == cv::Rect(40, 30, 5, 9)) << box;
  }
  EXPECT_EQ(corners.size(), 2u);
  EXPECT_NEAR(component_box(map, 5, random).area(), 1200, 80);
}

// ---- what the teacher says, mixed -------------------------------------------------------------------------

/// Says that a pixel is of the class that its red value names.
class RedIsTheClass : public SegmentationNet {
 public:
  std::vector<at::Tensor> backbone_parameters() override { return {}; }
  std::vector<at::Tensor> stride4_parameters() override { return {}; }
  Normalisation normalisation() const override { return {{0, 0, 0}, {1, 1, 1}}; }

 private:
  NetOutput do_run(const at::Tensor& image_nchw, Outputs) override {
    NetOutput out;
    const auto classes = at::arange(config::kClasses).view({1, -1, 1, 1});
    out.logits_nchw = 9 * (image_nchw.narrow(1, 0, 1) == classes).to(at::kFloat);
    return out;
  }
};

/// Red is the class, green tells the images apart.
at::Tensor image_of(int class_id, int green) {
  const auto pixel = at::tensor({class_id, green, 0}).to(at::kByte);
  return pixel.view({1, 1, 1, 3}).expand({1, 48, 64, 3}).contiguous();
}

Batch batch_to_mix() {
  Batch batch;
  batch.weak_image = batch.strong_image = at::cat({image_of(0, 1), image_of(2, 2)});
  batch.unlabelled_id = {"a", "b"};
  batch.cut.weak_image = image_of(8, 3);
  batch.cut.weak_image[0].narrow(0, 10, 12).narrow(1, 20, 16).select(2, 0).fill_(11);
  batch.cut.strong_image = batch.cut.weak_image.clone();
  batch.cut.frame_id = {"c"};
  batch.cut.slot = {1};
  batch.cut.class_id = {11};
  return batch;
}

SelfTrainOptions adaptive() {
  SelfTrainOptions o;
  o.adaptive_cutmix = true;
  o.drop_percent = 0;
  o.cutmix_share = 0;
  return o;
}

TEST(TeachTest, ThePieceOfTheClassGoesIntoItsImageWithItsLabels) {
  RedIsTheClass net;
  const SelfTraining mixing({}, adaptive(), "cityscapes19");
  config::Random random(1);
  const auto [strong, seen] = mixing.teach(net, batch_to_mix(), 0, torch::kCPU, random);
  EXPECT_TRUE(at::equal(strong.image_nhwc[0], image_of(0, 1)[0])) << "no piece was for this one";
  const auto green = strong.image_nhwc[1].select(2, 1), label = strong.pseudo.label_nhw[1];
  for (int y = 0; y < 48; ++y)
    for (int x = 0; x < 64; ++x) {
      const bool inside = y >= 10 && y < 22 && x >= 20 && x < 36;
      EXPECT_EQ(green[y][x].item<int>(), inside ? 3 : 2);
      EXPECT_EQ(label[y][x].item<int>(), inside ? 11 : 2);
    }
  EXPECT_EQ(seen.frame_id, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_NEAR(seen.share_c[2][11].item<double>(), 12 * 16 / (48.0 * 64), 1e-9);
  EXPECT_EQ(seen.share_c[0][0].item<double>(), 1);
}

TEST(TeachTest, WhatWasSeenIsWishedFor) {
  RedIsTheClass net;
  SelfTraining mixing({}, adaptive(), "cityscapes19");
  config::Random random(1);
  EXPECT_TRUE(mixing.wishes(random)[0].frame_id.empty());
  const auto taught = mixing.teach(net, batch_to_mix(), 0, torch::kCPU, random);
  const auto share = at::stack(taught.seen.share_c);
  mixing.follow(at::zeros({2, config::kClasses}, at::kDouble), taught.seen.frame_id, share, {});
  const std::map<int, std::string> frame_of{{0, "a"}, {2, "b"}, {8, "c"}, {11, "c"}};
  for (int i = 0; i < 20; ++i)
    for (const auto& wish : mixing.wishes(random)) EXPECT_EQ(wish.frame_id, frame_of.at(wish.class_id));
  mixing.follow(at::zeros({2, config::kClasses}, at::kDouble), {},
                at::zeros({0, config::kClasses}, at::kDouble), {"c"});
  for (int i = 0; i < 20; ++i)
    for (const auto& wish : mixing.wishes(random)) EXPECT_NE(wish.frame_id, "c") << "it has gone";
}

TEST(TeachTest, PaddingIsPastedAsPadding) {
  RedIsTheClass net;
  Batch batch = batch_to_mix();
  batch.cut.padding = at::zeros({1, 48, 64}, at::kBool);
  batch.cut.padding[0].narrow(1, 30, 34).fill_(true);  // over the right side of the piece
  const SelfTraining mixing({}, adaptive(), "cityscapes19");
  config::Random random(1);
  const auto taught = mixing.teach(net, batch, 0, torch::kCPU, random);
  const auto row = taught.strong.pseudo.label_nhw[1][15];
  EXPECT_EQ(row[29].item<int>(), 11);
  EXPECT_EQ(row[30].item<int>(), 2) << "the component ends where the image does";
  EXPECT_EQ(taught.seen.share_c[2].sum().item<double>(), 30 / 64.0);
  EXPECT_TRUE(taught.strong.pseudo.confidence_nhw.gt(0).all().item<bool>());

  batch.unlabelled_padding = at::zeros({2, 48, 64}, at::kBool);
  batch.unlabelled_padding.narrow(1, 40, 8).fill_(true);
  const auto below = mixing.teach(net, batch, 0, torch::kCPU, random).strong.pseudo;
  EXPECT_TRUE(below.label_nhw.narrow(1, 40, 8).eq(255).all().item<bool>());
  EXPECT_EQ(below.confidence_nhw.narrow(1, 40, 8).max().item<float>(), 0);
  EXPECT_TRUE(below.label_nhw.narrow(1, 0, 40).ne(255).all().item<bool>());
}

// ---- batches ----------------------------------------------------------------------------------------------

TEST_F(BatchesTest, PaddingIsWithoutALabelAndKnownAsPadding) {
  int with_padding = 0;
  for (int step = 0; step < 6; ++step) {
    const Batch batch = draw(options(), step);
    for (const auto& [image, padding] : {std::pair(batch.source_image, batch.source_padding),
                                         std::pair(batch.weak_image, batch.unlabelled_padding)}) {
      if (!padding.defined()) continue;
      ++with_padding;
      const auto colours = image.index({padding}).to(torch::kFloat32);
      const auto mean = torch::tensor({kMean[0], kMean[1], kMean[2]});
      EXPECT_LT((colours - mean).abs().max().item<float>(), 1) << "a part of the image is called padding";
    }
    if (batch.source_padding.defined()) {
      EXPECT_TRUE(batch.source_label.index({batch.source_padding}).eq(255).all().item<bool>());
    }
  }
  EXPECT_GT(with_padding, 3);
}

TEST_F(BatchesTest, WhatMayBePastedChangesNothingElseAndIsMappedLikeEveryLabel) {
  auto plain = options();
  plain.train.copy_paste = 0;
  int images = 0, empty = 0;
  for (int step = 0; step < 8; ++step) {
    const Batch with = draw(options(), step), without = draw(plain, step);
    EXPECT_TRUE(torch::equal(with.source_image, without.source_image));
    EXPECT_TRUE(torch::equal(with.source_label, without.source_label));
    EXPECT_FALSE(without.source_paste.image.defined());
    const auto& fold = config::label_space("camvid11").fold;
    for (const auto& label : with.source_paste.label.unbind(0)) {
      ++images;
      empty += label.eq(255).all().item<bool>();
      const auto ids = std::get<0>(at::_unique(label));
      for (std::int64_t i = 0; i < ids.numel(); ++i) {
        const auto id = ids[i].item<std::uint8_t>();
        EXPECT_TRUE(id == 255 || fold[id] == id) << int{id};
      }
    }
  }
  EXPECT_GT(empty, images / 5);
  EXPECT_LT(empty, images);
}

TEST_F(BatchesTest, AccumulationDrawsTheImagesOfALargerBatch) {
  auto twice = options(), large = options();
  twice.train.accumulate = 2;
  large.train.batch_source = 6;
  large.selftrain.batch = 4;
  const Batch one = draw(twice, 3), other = draw(large, 3);
  EXPECT_TRUE(torch::equal(one.source_image, other.source_image));
  EXPECT_TRUE(torch::equal(one.weak_image, other.weak_image));
  const auto parts = split(one, 2);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_TRUE(torch::equal(at::cat({parts[0].source_label, parts[1].source_label}), one.source_label));
  EXPECT_EQ(parts[1].unlabelled_id,
            std::vector<std::string>(one.unlabelled_id.begin() + 2, one.unlabelled_id.end()));
}

TEST_F(BatchesTest, AWishForAFrameThatIsGoneIsNamed) {
  const std::vector<CutWish> wishes{{"no such frame", 3}, {target_->id(2), 7}};
  class Gone : public FramePool {
   public:
    explicit Gone(const FramePool& inner) : inner_(inner) {}
    std::vector<PoolFrame> frames() const override { return inner_.frames(); }
    cv::Mat image_rgb(const std::string& id) const override {
      return id == "no such frame" ? cv::Mat() : inner_.image_rgb(id);
    }

   private:
    const FramePool& inner_;
  };
  const EngineOptions o = options();
  const Gone pool(*pool_);
  Batches batches(o, source_.get(), pool, labels_, Unlabelled::drawn, 5);
  const Batch batch = *batches.draw(0, 1, wishes), without = *batches.draw(0);
  EXPECT_EQ(batch.cut.vanished, std::vector<std::string>{"no such frame"});
  EXPECT_EQ(batch.cut.slot, std::vector<int>{1});
  EXPECT_EQ(batch.cut.class_id, std::vector<int>{7});
  EXPECT_EQ(batch.cut.weak_image.size(0), 1);
  EXPECT_TRUE(torch::equal(batch.weak_image, without.weak_image)) << "the wish changed another draw";
}

}  // namespace
}  // namespace driftloop::adapt

// The loader's promise: whoever makes the images, and whenever, a batch is the same.
#include <gmock/gmock.h>

#include <atomic>

#include "adapt/data/loader.h"
#include "config/check.h"
#include "tests/adapt/drawn_batches.h"

namespace driftloop::adapt {
namespace {

Sample sample_of(const SampleKey& key) {
  Sample sample;
  sample.frame_id = std::to_string(key.step) + '/' + std::to_string(key.slot);
  return sample;
}

TEST(LoaderTest, GivesEachKeyItsOwnSampleForAnyNumberOfWorkers) {
  for (const int workers : {0, 1, 3}) {
    std::atomic<int> made = 0;
    Loader loader(
        [&](const SampleKey& key) {
          ++made;
          return std::optional(sample_of(key));
        },
        workers);
    for (std::int64_t step = 0; step < 20; ++step) {
      loader.keep(step, step + 3);
      for (std::int64_t ahead = step; ahead < step + 3; ++ahead)
        for (int slot = 0; slot < 4; ++slot) loader.ask({ahead, Part::source, slot});
      for (int slot = 0; slot < 4; ++slot)
        ASSERT_EQ(loader.take({step, Part::source, slot})->frame_id, sample_of({step, {}, slot}).frame_id);
    }
    EXPECT_GE(made, 80);
    EXPECT_LE(made, 88) << "a sample was made twice";
  }
}

TEST(LoaderTest, WhatNobodyAskedForIsMadeAllTheSame) {
  Loader loader([](const SampleKey& key) { return std::optional(sample_of(key)); }, 2);
  EXPECT_EQ(loader.take({7, Part::target, 1})->frame_id, "7/1");
}

TEST(LoaderTest, AnErrorReachesWhoTakesAndTheNextTryMayBeGood) {
  for (const int workers : {0, 1}) {
    std::atomic<int> tries = 0;
    Loader loader(
        [&](const SampleKey& key) {
          if (key.slot == 1 && ++tries == 1) throw Error("frame.png is not a readable image");
          return std::optional(sample_of(key));
        },
        workers);
    for (int slot = 0; slot < 3; ++slot) loader.ask({0, Part::source, slot});
    EXPECT_EQ(loader.take({0, Part::source, 0})->frame_id, "0/0");
    EXPECT_THROW(loader.take({0, Part::source, 1}), Error);
    EXPECT_EQ(loader.take({0, Part::source, 1})->frame_id, "0/1");
    EXPECT_EQ(loader.take({0, Part::source, 2})->frame_id, "0/2");
  }
}

TEST(LoaderTest, EndsWithWorkUndone) {
  std::atomic<int> made = 0;
  {
    Loader loader(
        [&](const SampleKey& key) {
          ++made;
          return std::optional(sample_of(key));
        },
        2);
    for (int slot = 0; slot < 10'000; ++slot) loader.ask({0, Part::source, slot});
  }
  EXPECT_LE(made, 10'000);
}

void expect_same(const at::Tensor& a, const at::Tensor& b, const char* what) {
  ASSERT_EQ(a.defined(), b.defined()) << what;
  EXPECT_TRUE(!a.defined() || torch::equal(a, b)) << what;
}

TEST_F(BatchesTest, AreTheSameForAnyNumberOfWorkers) {
  EngineOptions with = options(), without = options();
  with.input.student_jitter = without.input.student_jitter = 0.5;
  with.input.workers = 3;
  without.input.workers = 0;
  for (const auto& frame : pool_->frames()) {
    const cv::Rect box(16, 16, 8, 8);
    labels_.ask({frame.id, box, 0}, Purpose::train, frame.size_px);
    labels_.answer({frame.id, box, cv::Mat(8, 8, CV_8UC1, cv::Scalar(1))});
  }
  Batches ahead(with, source_.get(), *pool_, labels_, Unlabelled::drawn, 5);
  Batches in_line(without, source_.get(), *pool_, labels_, Unlabelled::drawn, 5);
  const std::vector<CutWish> wishes{{target_->id(2), 7}};
  // In order, again, back, and with half the images: as after a step for which there was no memory.
  const std::vector<std::pair<std::int64_t, double>> steps{{0, 1},   {1, 1}, {1, 0.5},
                                                           {2, 0.5}, {0, 1}, {9, 1}};
  for (const auto& [step, share] : steps) {
    const Batch a = *ahead.draw(step, share, wishes), b = *in_line.draw(step, share, wishes);
    expect_same(a.source_image, b.source_image, "source");
    expect_same(a.source_label, b.source_label, "source labels");
    expect_same(a.source_paste.image, b.source_paste.image, "what is pasted");
    expect_same(a.target_image, b.target_image, "target");
    expect_same(a.target_label, b.target_label, "target labels");
    expect_same(a.weak_image, b.weak_image, "unlabelled");
    expect_same(a.strong_image, b.strong_image, "the student's view");
    expect_same(a.cut.weak_image, b.cut.weak_image, "what is mixed in");
    EXPECT_EQ(a.unlabelled_id, b.unlabelled_id);
  }
}

}  // namespace
}  // namespace driftloop::adapt

#include "adapt/data/batches.h"

#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

constexpr int kTriesForAVanishedFrame = 8;
constexpr int kGoodStepsBeforeMore = 200;  // then the batch is doubled: one failed step in 200 is cheap

enum Part : std::uint64_t { kSource, kTarget, kUnlabelled };  // of a batch, for the seeds

int images_of(int configured, double share) {
  return configured == 0 ? 0 : std::max(1, static_cast<int>(configured * share));
}

/// Batch normalisation of the pooled branch needs two images: one alone is learned from twice.
void repeat_a_lone_image(Batch& batch) {
  const auto count = [](const at::Tensor& image) { return image.defined() ? image.size(0) : 0; };
  if (count(batch.source_image) + count(batch.target_image) + count(batch.weak_image) > 1) return;
  for (at::Tensor* part :
       {&batch.source_image, &batch.source_label, &batch.target_image, &batch.target_label})
    if (part->defined()) *part = at::cat({*part, *part});
}

}  // namespace

BatchShare::BatchShare(const EngineOptions& options)
    : largest_part_(
          std::max({options.train.batch_source, options.train.batch_target, options.selftrain.batch})) {}

bool BatchShare::halve() {
  good_steps_ = 0;
  if (images_of(largest_part_, value_) <= 1) return false;
  value_ /= 2;
  return true;
}

void BatchShare::count_good_step() {
  if (value_ == 1 || ++good_steps_ < kGoodStepsBeforeMore) return;
  value_ *= 2;
  good_steps_ = 0;
}

Batches::Batches(const EngineOptions& options, const Dataset* source, const FramePool& pool,
                 const TargetLabels& labels, Unlabelled unlabelled, std::uint64_t seed)
    : options_(options),
      source_(source),
      pool_(pool),
      labels_(labels),
      frames_(unlabelled == Unlabelled::drawn ? pool.frames() : std::vector<PoolFrame>()),
      seed_(seed) {}

std::optional<Batch> Batches::draw(std::int64_t step, double share) const {
  Batch batch;
  draw_source(batch, images_of(options_.train.batch_source, share), step);
  draw_target(batch, images_of(options_.train.batch_target, share), step);
  draw_unlabelled(batch, images_of(options_.selftrain.batch, share), step);
  if (!batch.source_image.defined() && !batch.target_image.defined()) return std::nullopt;
  repeat_a_lone_image(batch);
  return batch;
}

void Batches::draw_source(Batch& batch, int count, std::int64_t step) const {
  if (!source_ || count == 0) return;
  const auto& fold = config::label_space(options_.label_space).fold;
  std::vector<cv::Mat> images, labels;
  for (int i = 0; i < count; ++i) {
    config::Random random(config::mixed_seed(seed_, step, kSource, i));
    const std::size_t index = random.below(source_->size());
    const auto [image, label] = labelled_image(*source_, index);
    const View view = random_crop(options_.input, {image, label}, random);
    images.push_back(jitter(view.image_rgb, options_.input.source_jitter, random));
    labels.push_back(config::map_labels(view.label, fold));
  }
  batch.source_image = images_to_tensor(images);
  batch.source_label = labels_to_tensor(labels);
}

void Batches::draw_target(Batch& batch, int count, std::int64_t step) const {
  const auto& names = labels_.frames(Purpose::train);
  std::vector<cv::Mat> images, labels;
  for (int i = 0; i < count && !names.empty(); ++i) {
    config::Random random(config::mixed_seed(seed_, step, kTarget, i));
    for (int attempt = 0; attempt < kTriesForAVanishedFrame; ++attempt) {
      const std::string& name = names[random.below(names.size())];
      const cv::Mat image = pool_.image_rgb(name);
      if (image.empty()) continue;
      const View view =
          random_crop_on_label(options_.input, {image, labels_.label(name, Purpose::train)}, random);
      images.push_back(jitter(view.image_rgb, options_.input.student_jitter, random));
      labels.push_back(view.label);
      break;
    }
  }
  if (images.empty()) return;
  batch.target_image = images_to_tensor(images);
  batch.target_label = labels_to_tensor(labels);
}

void Batches::draw_unlabelled(Batch& batch, int count, std::int64_t step) const {
  std::vector<cv::Mat> weak, strong;
  for (int i = 0; i < count && !frames_.empty(); ++i) {
    config::Random random(config::mixed_seed(seed_, step, kUnlabelled, i));
    for (int attempt = 0; attempt < kTriesForAVanishedFrame; ++attempt) {
      const cv::Mat image = pool_.image_rgb(frames_[random.below(frames_.size())].id);
      if (image.empty()) continue;
      const View view = random_crop(options_.input, {image, {}}, random);
      weak.push_back(view.image_rgb);
      strong.push_back(jitter(view.image_rgb, options_.input.student_jitter, random));
      break;
    }
  }
  if (weak.empty()) return;
  batch.weak_image = images_to_tensor(weak);
  batch.strong_image = images_to_tensor(strong);
}

}  // namespace driftloop::adapt

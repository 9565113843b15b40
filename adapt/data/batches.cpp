#include "adapt/data/batches.h"

#include <array>

#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

constexpr int kGoodStepsBeforeMore = 200;  // then the batch is doubled: one failed step in 200 is cheap
constexpr int kStepsAhead = 2;             // whose images are made while a step is learned from
constexpr std::array kParts{Part::source, Part::target, Part::unlabelled};

int images_of(int configured, double share) {
  return configured == 0 ? 0 : std::max(1, static_cast<int>(configured * share));
}

struct Labelled {
  at::Tensor image, label, padding;
  PasteImages paste;
};

/// `with_paste`: of samples without an image to paste from it is empty and ignored.
Labelled tensors_of(const std::vector<Sample>& samples, cv::Size crop, bool with_paste) {
  if (samples.empty()) return {};
  std::vector<cv::Mat> images, labels, paste_images, paste_labels;
  std::vector<cv::Rect> contents;
  const View nothing{cv::Mat::zeros(crop, CV_8UC3), cv::Mat(crop, CV_8UC1, cv::Scalar(config::kIgnore)), {}};
  for (const Sample& sample : samples) {
    images.push_back(sample.view.image_rgb);
    labels.push_back(sample.view.label);
    contents.push_back(sample.view.content_px);
    const View& paste = sample.paste ? *sample.paste : nothing;
    paste_images.push_back(paste.image_rgb);
    paste_labels.push_back(paste.label);
  }
  Labelled part{images_to_tensor(images), labels_to_tensor(labels), padding_to_tensor(contents, crop), {}};
  if (with_paste) part.paste = {images_to_tensor(paste_images), labels_to_tensor(paste_labels)};
  return part;
}

struct TwoViews {
  at::Tensor weak, strong, padding;
};

TwoViews tensors_of(const std::vector<Sample>& samples, cv::Size crop) {
  std::vector<cv::Mat> weak, strong;
  std::vector<cv::Rect> contents;
  for (const Sample& sample : samples) {
    weak.push_back(sample.view.image_rgb);
    strong.push_back(sample.strong);
    contents.push_back(sample.view.content_px);
  }
  return {images_to_tensor(weak), images_to_tensor(strong), padding_to_tensor(contents, crop)};
}

cv::Size crop_of(const InputOptions& input) {
  return {input.crop_width_px, input.crop_height_px};
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
                 const TargetLabels& labels, Unlabelled unlabelled, std::uint64_t seed, const Ranks& ranks)
    : options_(options),
      rank_(ranks.rank()),
      sampler_(options, source, pool, labels, unlabelled, seed),
      loader_([this](const SampleKey& key) { return sampler_.draw(key); }, options.input.workers) {}

int Batches::count(Part part, double share) const {
  const auto& train = options_.train;
  const int configured = part == Part::source   ? train.batch_source
                         : part == Part::target ? train.batch_target
                                                : options_.selftrain.batch;
  return train.accumulate * images_of(configured, share);
}

SampleKey Batches::key(std::int64_t step, Part part, int image, double share) const {
  return {step, part, rank_ * count(part, share) + image};
}

void Batches::ask_ahead(std::int64_t step, double share) {
  loader_.keep(step, step + kStepsAhead + 1);
  for (std::int64_t ahead = step; ahead <= step + kStepsAhead; ++ahead)
    for (const Part part : kParts)
      for (int i = 0; i < count(part, share); ++i) loader_.ask(key(ahead, part, i, share));
}

/// Those that there are.
std::vector<Sample> Batches::take(std::int64_t step, Part part, double share) {
  std::vector<Sample> samples;
  for (int i = 0; i < count(part, share); ++i)
    if (auto sample = loader_.take(key(step, part, i, share))) samples.push_back(*std::move(sample));
  return samples;
}

std::optional<Batch> Batches::draw(std::int64_t step, double share, std::span<const CutWish> wishes) {
  ask_ahead(step, share);
  const cv::Size crop = crop_of(options_.input);
  const bool paste = options_.train.copy_paste > 0;
  auto source = tensors_of(take(step, Part::source, share), crop, paste);
  auto target = tensors_of(take(step, Part::target, share), crop, paste);
  Batch batch;
  batch.source_image = source.image, batch.source_label = source.label;
  batch.source_padding = source.padding, batch.source_paste = std::move(source.paste);
  batch.target_image = target.image, batch.target_label = target.label;
  batch.target_padding = target.padding, batch.target_paste = std::move(target.paste);
  add_unlabelled(batch, step, share, wishes);
  if (!batch.source_image.defined() && !batch.target_image.defined()) return std::nullopt;
  if (options_.train.accumulate == 1) repeat_a_lone_image(batch);
  return batch;
}

void Batches::add_unlabelled(Batch& batch, std::int64_t step, double share, std::span<const CutWish> wishes) {
  const auto samples = take(step, Part::unlabelled, share);
  if (samples.empty()) return;
  const cv::Size crop = crop_of(options_.input);
  auto views = tensors_of(samples, crop);
  batch.weak_image = views.weak, batch.strong_image = views.strong, batch.unlabelled_padding = views.padding;
  for (const Sample& sample : samples) batch.unlabelled_id.push_back(sample.frame_id);
  std::vector<Sample> cuts;
  for (std::size_t i = 0; i < samples.size() && i < wishes.size(); ++i) {
    const CutWish& wish = wishes[i];
    if (wish.frame_id.empty()) continue;
    auto cut =
        sampler_.cut(step, key(step, Part::unlabelled, static_cast<int>(i), share).slot, wish.frame_id);
    if (!cut) {
      batch.cut.vanished.push_back(wish.frame_id);
      continue;
    }
    cuts.push_back(*std::move(cut));
    batch.cut.frame_id.push_back(wish.frame_id);
    batch.cut.slot.push_back(static_cast<int>(i));
    batch.cut.class_id.push_back(wish.class_id);
  }
  if (cuts.empty()) return;
  views = tensors_of(cuts, crop);
  batch.cut.weak_image = views.weak, batch.cut.strong_image = views.strong, batch.cut.padding = views.padding;
}

}  // namespace driftloop::adapt

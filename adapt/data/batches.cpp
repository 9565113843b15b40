#include "adapt/data/batches.h"

#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

constexpr int kTriesForAVanishedFrame = 8;
constexpr int kGoodStepsBeforeMore = 200;  // then the batch is doubled: one failed step in 200 is cheap

// Of a batch, for the seeds.
enum Part : std::uint64_t { kSource, kTarget, kUnlabelled, kSourcePaste, kTargetPaste, kCut };

constexpr double kPasteScaleMin = 0.1, kPasteScaleMax = 2;  // of an image to paste from: the paper's

int images_of(int configured, double share) {
  return configured == 0 ? 0 : std::max(1, static_cast<int>(configured * share));
}

InputOptions to_paste_from(InputOptions input) {
  input.scale_min = kPasteScaleMin;
  input.scale_max = kPasteScaleMax;
  return input;
}

/// Collects views of one size as tensors.
struct Views {
  std::vector<cv::Mat> images, labels;
  std::vector<cv::Rect> contents;

  void add(const View& view) {
    images.push_back(view.image_rgb);
    labels.push_back(view.label);
    contents.push_back(view.content_px);
  }
  void add_nothing(cv::Size size) {
    add({cv::Mat::zeros(size, CV_8UC3), cv::Mat(size, CV_8UC1, cv::Scalar(config::kIgnore)), {}});
  }
  at::Tensor padding() const { return padding_to_tensor(contents, images[0].size()); }
};

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

std::optional<Batch> Batches::draw(std::int64_t step, double share, std::span<const CutWish> wishes) const {
  const int times = options_.train.accumulate;
  Batch batch;
  draw_source(batch, times * images_of(options_.train.batch_source, share), step);
  draw_target(batch, times * images_of(options_.train.batch_target, share), step);
  draw_unlabelled(batch, times * images_of(options_.selftrain.batch, share), step, wishes);
  if (!batch.source_image.defined() && !batch.target_image.defined()) return std::nullopt;
  if (times == 1) repeat_a_lone_image(batch);
  return batch;
}

View Batches::source_view(std::size_t index, const InputOptions& input, config::Random& random) const {
  const auto [image, label] = labelled_image(*source_, index);
  View view = random_crop(input, {image, label}, random);
  view.image_rgb = jitter(view.image_rgb, input.source_jitter, random);
  view.label = config::map_labels(view.label, config::label_space(options_.label_space).fold);
  return view;
}

void Batches::draw_source(Batch& batch, int count, std::int64_t step) const {
  if (!source_ || count == 0) return;
  Views views, paste;
  for (int i = 0; i < count; ++i) {
    config::Random random(config::mixed_seed(seed_, step, kSource, i));
    const std::size_t index = random.below(source_->size());
    views.add(source_view(index, options_.input, random));
    config::Random of_paste(config::mixed_seed(seed_, step, kSourcePaste, i));
    if (source_->size() > 1 && of_paste.chance(options_.train.copy_paste)) {
      const std::size_t other = (index + 1 + of_paste.below(source_->size() - 1)) % source_->size();
      paste.add(source_view(other, to_paste_from(options_.input), of_paste));
    } else {
      paste.add_nothing(crop());
    }
  }
  batch.source_image = images_to_tensor(views.images);
  batch.source_label = labels_to_tensor(views.labels);
  batch.source_padding = views.padding();
  if (options_.train.copy_paste > 0)
    batch.source_paste = {images_to_tensor(paste.images), labels_to_tensor(paste.labels)};
}

/// Nothing when the frame has gone.
std::optional<View> Batches::target_view(const std::string& name, const InputOptions& input,
                                         config::Random& random) const {
  const cv::Mat image = pool_.image_rgb(name);
  if (image.empty()) return std::nullopt;
  View view = random_crop_on_label(input, {image, labels_.label(name, Purpose::train)}, random);
  view.image_rgb = jitter(view.image_rgb, input.student_jitter, random);
  return view;
}

void Batches::draw_target(Batch& batch, int count, std::int64_t step) const {
  const auto& names = labels_.frames(Purpose::train);
  Views views, paste;
  for (int i = 0; i < count && !names.empty(); ++i) {
    config::Random random(config::mixed_seed(seed_, step, kTarget, i));
    for (int attempt = 0; attempt < kTriesForAVanishedFrame; ++attempt) {
      const std::size_t index = random.below(names.size());
      const auto view = target_view(names[index], options_.input, random);
      if (!view) continue;
      views.add(*view);
      config::Random of_paste(config::mixed_seed(seed_, step, kTargetPaste, i));
      std::optional<View> other;
      if (names.size() > 1 && of_paste.chance(options_.train.copy_paste))
        other = target_view(names[(index + 1 + of_paste.below(names.size() - 1)) % names.size()],
                            to_paste_from(options_.input), of_paste);
      if (other)
        paste.add(*other);
      else
        paste.add_nothing(crop());
      break;
    }
  }
  if (views.images.empty()) return;
  batch.target_image = images_to_tensor(views.images);
  batch.target_label = labels_to_tensor(views.labels);
  batch.target_padding = views.padding();
  if (options_.train.copy_paste > 0)
    batch.target_paste = {images_to_tensor(paste.images), labels_to_tensor(paste.labels)};
}

bool Batches::draw_views(const std::string& frame_id, config::Random& random, UnlabelledViews& views) const {
  const cv::Mat image = pool_.image_rgb(frame_id);
  if (image.empty()) return false;
  const View view = random_crop(options_.input, {image, {}}, random);
  views.weak.push_back(view.image_rgb);
  views.strong.push_back(jitter(view.image_rgb, options_.input.student_jitter, random));
  views.contents.push_back(view.content_px);
  return true;
}

void Batches::draw_unlabelled(Batch& batch, int count, std::int64_t step,
                              std::span<const CutWish> wishes) const {
  UnlabelledViews views, cut;
  for (int i = 0; i < count && !frames_.empty(); ++i) {
    config::Random random(config::mixed_seed(seed_, step, kUnlabelled, i));
    for (int attempt = 0; attempt < kTriesForAVanishedFrame; ++attempt) {
      const std::string& id = frames_[random.below(frames_.size())].id;
      if (!draw_views(id, random, views)) continue;
      batch.unlabelled_id.push_back(id);
      break;
    }
  }
  if (views.weak.empty()) return;
  batch.weak_image = images_to_tensor(views.weak);
  batch.strong_image = images_to_tensor(views.strong);
  batch.unlabelled_padding = padding_to_tensor(views.contents, crop());
  for (std::size_t i = 0; i < views.weak.size() && i < wishes.size(); ++i) {
    const CutWish& wish = wishes[i];
    if (wish.frame_id.empty()) continue;
    config::Random random(config::mixed_seed(seed_, step, kCut, i));
    if (!draw_views(wish.frame_id, random, cut)) {
      batch.cut.vanished.push_back(wish.frame_id);
      continue;
    }
    batch.cut.frame_id.push_back(wish.frame_id);
    batch.cut.slot.push_back(static_cast<int>(i));
    batch.cut.class_id.push_back(wish.class_id);
  }
  if (cut.weak.empty()) return;
  batch.cut.weak_image = images_to_tensor(cut.weak);
  batch.cut.strong_image = images_to_tensor(cut.strong);
  batch.cut.padding = padding_to_tensor(cut.contents, crop());
}

}  // namespace driftloop::adapt

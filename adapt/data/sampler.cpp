#include "adapt/data/sampler.h"

#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

constexpr int kTriesForAVanishedFrame = 8;

// Of a batch, for the seeds.
enum Use : std::uint64_t { kSource, kTarget, kUnlabelled, kSourcePaste, kTargetPaste, kCut };

constexpr double kPasteScaleMin = 0.1, kPasteScaleMax = 2;  // of an image to paste from: the paper's

InputOptions to_paste_from(InputOptions input) {
  input.scale_min = kPasteScaleMin;
  input.scale_max = kPasteScaleMax;
  return input;
}

}  // namespace

Sampler::Sampler(const EngineOptions& options, const Dataset* source, const FramePool& pool,
                 const TargetLabels& labels, Unlabelled unlabelled, std::uint64_t seed)
    : options_(options),
      source_(source),
      pool_(pool),
      labels_(labels),
      frames_(unlabelled == Unlabelled::drawn ? pool.frames() : std::vector<PoolFrame>()),
      seed_(seed) {}

std::optional<Sample> Sampler::draw(const SampleKey& key) const {
  const auto random = [&](Use use) {
    return config::Random(config::mixed_seed(seed_, key.step, use, key.slot));
  };
  switch (key.part) {
    case Part::source:
      return draw_source(random(kSource), random(kSourcePaste));
    case Part::target:
      return draw_target(random(kTarget), random(kTargetPaste));
    case Part::unlabelled:
      return draw_unlabelled(random(kUnlabelled));
  }
  DL_CHECK(false, static_cast<int>(key.part));
}

std::optional<Sample> Sampler::cut(std::int64_t step, int slot, const std::string& frame_id) const {
  config::Random random(config::mixed_seed(seed_, step, kCut, slot));
  return unlabelled_view(frame_id, random);
}

View Sampler::source_view(std::size_t index, const InputOptions& input, config::Random& random) const {
  const auto [image, label] = labelled_image(*source_, index);
  View view = random_crop(input, {image, label}, random);
  view.image_rgb = jitter(view.image_rgb, input.source_jitter, random);
  view.label = config::map_labels(view.label, config::label_space(options_.label_space).fold);
  return view;
}

std::optional<Sample> Sampler::draw_source(config::Random random, config::Random of_paste) const {
  if (source_ == nullptr) return std::nullopt;
  Sample sample;
  const std::size_t index = random.below(source_->size());
  sample.view = source_view(index, options_.input, random);
  if (source_->size() > 1 && of_paste.chance(options_.train.copy_paste)) {
    const std::size_t other = (index + 1 + of_paste.below(source_->size() - 1)) % source_->size();
    sample.paste = source_view(other, to_paste_from(options_.input), of_paste);
  }
  return sample;
}

/// Nothing when the frame has gone.
std::optional<View> Sampler::target_view(const std::string& name, const InputOptions& input,
                                         config::Random& random) const {
  const cv::Mat image = pool_.image_rgb(name);
  if (image.empty()) return std::nullopt;
  View view = random_crop_on_label(input, {image, labels_.label(name, Purpose::train)}, random);
  view.image_rgb = jitter(view.image_rgb, input.student_jitter, random);
  return view;
}

std::optional<Sample> Sampler::draw_target(config::Random random, config::Random of_paste) const {
  const auto& names = labels_.frames(Purpose::train);
  for (int attempt = 0; attempt < kTriesForAVanishedFrame && !names.empty(); ++attempt) {
    const std::size_t index = random.below(names.size());
    auto view = target_view(names[index], options_.input, random);
    if (!view) continue;
    Sample sample;
    sample.view = *std::move(view);
    if (names.size() > 1 && of_paste.chance(options_.train.copy_paste))
      sample.paste = target_view(names[(index + 1 + of_paste.below(names.size() - 1)) % names.size()],
                                 to_paste_from(options_.input), of_paste);
    return sample;
  }
  return std::nullopt;
}

std::optional<Sample> Sampler::unlabelled_view(const std::string& frame_id, config::Random& random) const {
  const cv::Mat image = pool_.image_rgb(frame_id);
  if (image.empty()) return std::nullopt;
  Sample sample;
  sample.frame_id = frame_id;
  sample.view = random_crop(options_.input, {image, {}}, random);
  sample.strong = jitter(sample.view.image_rgb, options_.input.student_jitter, random);
  return sample;
}

std::optional<Sample> Sampler::draw_unlabelled(config::Random random) const {
  for (int attempt = 0; attempt < kTriesForAVanishedFrame && !frames_.empty(); ++attempt)
    if (auto sample = unlabelled_view(frames_[random.below(frames_.size())].id, random)) return sample;
  return std::nullopt;
}

}  // namespace driftloop::adapt

#include "adapt/selftrain/self_training.h"

#include "adapt/selftrain/class_draw.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

constexpr int kPastedClasses = 3;  // the paper's

at::Tensor joined(const at::Tensor& a, const at::Tensor& b) {
  return b.defined() ? at::cat({a, b}) : a;
}

/// Both paddings, each of so many images as the image it belongs to; undefined when neither has any.
at::Tensor joined_padding(const Batch& batch) {
  const auto& a = batch.unlabelled_padding;
  const auto& b = batch.cut.padding;
  if (!batch.cut.weak_image.defined() || (!a.defined() && !b.defined())) return a;
  const auto none = [](const at::Tensor& image) {
    return at::zeros({image.size(0), image.size(1), image.size(2)}, at::kBool);
  };
  return at::cat({a.defined() ? a : none(batch.weak_image), b.defined() ? b : none(batch.cut.weak_image)});
}

/// Histograms rather than bincounts: those would wait for the device.
SeenClasses seen_classes(const at::Tensor& predicted_nhw, const Batch& batch) {
  SeenClasses seen;
  seen.frame_id = batch.unlabelled_id;
  seen.frame_id.insert(seen.frame_id.end(), batch.cut.frame_id.begin(), batch.cut.frame_id.end());
  DL_CHECK(static_cast<std::int64_t>(seen.frame_id.size()) == predicted_nhw.size(0), seen.frame_id.size());
  for (std::int64_t i = 0; i < predicted_nhw.size(0); ++i) {
    const auto map = predicted_nhw[i].to(at::kFloat);
    seen.share_c.push_back(at::histc(map, config::kClasses, -0.5, config::kClasses - 0.5).to(at::kDouble) /
                           static_cast<double>(map.numel()));
  }
  return seen;
}

MixImages rows(const MixImages& all, std::int64_t first, std::int64_t count) {
  return {all.image_nhwc.narrow(0, first, count),
          {all.pseudo.label_nhw.narrow(0, first, count), all.pseudo.confidence_nhw.narrow(0, first, count)}};
}

/// A piece of each cut image into the image that it is for; the others are mixed among themselves.
void mix_adaptively(MixImages& images, const MixImages& cut_images, const at::Tensor& predicted_nhw,
                    const CutImages& cut, double share, config::Random& random) {
  const MixImages before = {images.image_nhwc.clone(),
                            {images.pseudo.label_nhw.clone(), images.pseudo.confidence_nhw.clone()}};
  const auto predicted = predicted_nhw.to(at::kByte).cpu().contiguous();  // waits for the device
  const int height = static_cast<int>(predicted.size(1)), width = static_cast<int>(predicted.size(2));
  const std::int64_t count = images.image_nhwc.size(0);
  std::vector<bool> mixed(static_cast<std::size_t>(count), false);
  for (std::size_t i = 0; i < cut.slot.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const cv::Mat map(height, width, CV_8UC1, predicted[row].data_ptr<std::uint8_t>());
    paste_box(images, cut.slot[i], cut_images, row, component_box(map, cut.class_id[i], random));
    mixed[static_cast<std::size_t>(cut.slot[i])] = true;
  }
  for (std::int64_t i = 0; i < count && count > 1 && share > 0; ++i)
    if (!mixed[static_cast<std::size_t>(i)])
      paste_box(images, i, before, (i + 1) % count, random_box({width, height}, share, random));
}

}  // namespace

SelfTraining::SelfTraining(const TrainOptions& train, const SelfTrainOptions& options,
                           const std::string& label_space)
    : options_(options),
      unlabelled_(options.batch * train.accumulate),
      paste_(train.copy_paste),
      rule_(pseudo_label_rule(options.rule)),
      rare_(rare_classes(label_space)) {}

bool SelfTraining::follows_confidence() const {
  return paste_ > 0 || options_.class_sampling || options_.adaptive_cutmix;
}

std::vector<CutWish> SelfTraining::wishes(config::Random& random) const {
  std::vector<CutWish> wishes;
  if (options_.adaptive_cutmix)
    for (int i = 0; i < unlabelled_; ++i) wishes.push_back(bank_.wish(confidence_.values(), random));
  return wishes;
}

LabelledImages SelfTraining::labelled(const LabelledImages& part, const PasteImages& paste,
                                      torch::Device device, config::Random& random) const {
  if (!part.image_nhwc.defined()) return {};
  const LabelledImages placed{part.image_nhwc.to(device), part.label_nhw.to(device)};
  if (!paste.image.defined()) return placed;
  std::vector<std::vector<int>> classes;
  for (std::int64_t i = 0; i < part.image_nhwc.size(0); ++i)
    classes.push_back(draw_unsure_classes(rare_, confidence_.values(), kPastedClasses, random));
  return paste_classes(placed, {paste.image.to(device), paste.label.to(device)}, classes);
}

PseudoLabels SelfTraining::pseudo_labels(const at::Tensor& prob_nchw, double progress,
                                         const at::Tensor& padding_nhw) const {
  auto labels =
      make_pseudo_labels(prob_nchw, dropped_percent(progress, options_.drop_percent), rule_, padding_nhw);
  if (options_.least_confidence > 0)
    labels.label_nhw.masked_fill_(labels.confidence_nhw < options_.least_confidence, config::kIgnore);
  return labels;
}

Taught SelfTraining::teach(SegmentationNet& teacher, const Batch& batch, double progress,
                           torch::Device device, config::Random& random) const {
  const torch::NoGradGuard no_grad;
  const std::int64_t count = batch.weak_image.size(0);
  const auto weak = joined(batch.weak_image, batch.cut.weak_image).to(device);
  const auto said = teacher.run(teacher.normalised(weak), Outputs::main);
  const auto prob = torch::softmax(upsample(said.logits_nchw, weak.size(1), weak.size(2), said.corners), 1);
  const auto labels = pseudo_labels(prob, progress, joined_padding(batch));
  const MixImages all{joined(batch.strong_image, batch.cut.strong_image).to(device).clone(),
                      {labels.label_nhw, labels.confidence_nhw}};
  Taught taught{rows(all, 0, count), {}};
  if (options_.adaptive_cutmix) taught.seen = seen_classes(labels.predicted_nhw, batch);
  if (batch.cut.slot.empty()) {
    cutmix(taught.strong, options_.cutmix_share, random);
  } else {
    const std::int64_t cuts = weak.size(0) - count;
    mix_adaptively(taught.strong, rows(all, count, cuts), labels.predicted_nhw.narrow(0, count, cuts),
                   batch.cut, options_.cutmix_share, random);
  }
  return taught;
}

void SelfTraining::follow(const at::Tensor& class_sums, const std::vector<std::string>& frame_id,
                          const at::Tensor& share_nc, const std::vector<std::string>& vanished) {
  if (follows_confidence()) confidence_.update(class_sums);
  for (const auto& id : vanished) bank_.forget(id);
  if (frame_id.empty()) return;
  const auto share = share_nc.contiguous();
  for (std::size_t i = 0; i < frame_id.size(); ++i)
    bank_.saw(frame_id[i], {share.const_data_ptr<double>() + i * config::kClasses, config::kClasses});
}

void SelfTraining::save(TensorFile& file) const {
  if (follows_confidence()) confidence_.save(file);
  if (options_.adaptive_cutmix) bank_.save(file);
}

void SelfTraining::load(const TensorFile& file) {
  confidence_.load(file);
  bank_.load(file);
}

}  // namespace driftloop::adapt

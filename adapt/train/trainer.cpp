#include "adapt/train/trainer.h"

#include <cmath>

#include "adapt/model/weights.h"
#include "adapt/selftrain/cutmix.h"
#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

constexpr double kGradientLimit = 10;  // norm; only runaway steps are cut

Outputs wanted_by(const std::vector<Term>& terms) {
  Outputs all = Outputs::main;
  for (const auto& term : terms) all = all | term.loss->wants();
  return all;
}

/// Collects the parts of the student's batch.
class Images {
 public:
  /// Where the part begins.
  std::int64_t add(const at::Tensor& image_nhwc, torch::Device device) {
    const std::int64_t first = count_;
    if (image_nhwc.defined()) {
      parts_.push_back(image_nhwc.to(device));
      count_ += image_nhwc.size(0);
    }
    return first;
  }
  at::Tensor all() const {
    DL_CHECK(!parts_.empty());
    return parts_.size() == 1 ? parts_[0] : at::cat(parts_);
  }

 private:
  std::vector<at::Tensor> parts_;
  std::int64_t count_ = 0;
};

LabelledPart labelled(Images& images, const at::Tensor& image, const at::Tensor& label,
                      torch::Device device) {
  return {images.add(image, device), image.defined() ? label.to(device) : at::Tensor()};
}

}  // namespace

Trainer::Trainer(const ModelSpec& spec, const TrainOptions& train, const SelfTrainOptions& selftrain,
                 torch::Device device, std::uint64_t seed)
    : train_(train),
      selftrain_(selftrain),
      device_(device),
      terms_(make_terms({train_, selftrain_})),
      wanted_(wanted_by(terms_)),
      teacher_(std::make_shared<PlacedNet>(spec, device, seed)) {
  student_ = make_net(spec.net, config::kClasses);
  student_->to(device);
  copy_weights(teacher_->net(), *student_);
  for (auto& parameter : teacher_->net().parameters()) parameter.set_requires_grad(false);
  optimiser_ = std::make_unique<Optimiser>(*student_, train_);
}

/// 0 at the beginning, 1 at the horizon; 0 without one.
double Trainer::progress() const {
  return train_.horizon_steps > 0 ? std::min(1.0, static_cast<double>(steps_) / train_.horizon_steps) : 0;
}

double Trainer::rate_share() const {
  const double ramp = train_.ramp_steps == 0
                          ? 1
                          : std::min(1.0, static_cast<double>(steps_) / train_.ramp_steps);  // from 1 on
  if (train_.horizon_steps == 0) return ramp;
  return ramp * std::max(std::pow(1 - progress(), train_.poly_power), train_.min_rate_share);
}

StepLosses Trainer::step(const Batch& batch, config::Random& random) {
  mend();
  torn_ = true;
  StepLosses losses = try_step(batch, random);
  torn_ = false;
  return losses;
}

void Trainer::mend() {
  if (!torn_) return;
  optimiser_->drop_gradients();
  copy_buffers(teacher_->net(), *student_);  // the forward pass moved the BN statistics
  torn_ = false;
}

PseudoBatch Trainer::teach(const Batch& batch, at::Tensor& strong_nhwc, config::Random& random) {
  const torch::NoGradGuard no_grad;
  SegmentationNet& net = teacher_->net();
  const auto seen = net.run(net.normalised(batch.weak_image.to(device_)), Outputs::main);
  const auto prob = torch::softmax(
      upsample(seen.logits_nchw, batch.weak_image.size(1), batch.weak_image.size(2), seen.corners), 1);
  const auto labels = make_pseudo_labels(prob, dropped_percent(progress(), selftrain_.drop_percent),
                                         pseudo_label_rule(selftrain_.rule));
  PseudoBatch pseudo{labels.label_nhw, labels.confidence_nhw};
  if (selftrain_.least_confidence > 0)
    pseudo.label_nhw.masked_fill_(pseudo.confidence_nhw < selftrain_.least_confidence, config::kIgnore);
  strong_nhwc = batch.strong_image.to(device_).clone();
  cutmix(strong_nhwc, pseudo, selftrain_.cutmix_share, random);
  return pseudo;
}

StepLosses Trainer::try_step(const Batch& batch, config::Random& random) {
  Images images;
  StepContext context;
  context.source = labelled(images, batch.source_image, batch.source_label, device_);
  context.target = labelled(images, batch.target_image, batch.target_label, device_);
  if (batch.weak_image.defined()) {
    at::Tensor strong_nhwc;
    context.unlabelled.pseudo = teach(batch, strong_nhwc, random);
    context.unlabelled.first = images.add(strong_nhwc, device_);
  }
  student_->train();
  context.output = student_->run(student_->normalised(images.all()), wanted_);

  auto total = at::zeros({}, device_);
  std::vector<at::Tensor> parts;
  for (auto& term : terms_) {
    const auto value = term.loss->value(context);
    parts.push_back(value.defined() ? term.weight * value.detach() : at::zeros({}, device_));
    if (value.defined()) total = total + term.weight * value;
  }
  if (!total.requires_grad())
    throw Error(
        "no term of the loss has a weight for what there is to learn from: raise train.target_weight or "
        "selftrain.weight, or give source images");
  optimiser_->drop_gradients();
  total.backward();
  parts.push_back(optimiser_->gradient_norm());
  const auto read = at::stack(parts).to(at::kDouble).cpu();  // the step's only wait for the device
  StepLosses losses;
  losses.terms.assign(read.const_data_ptr<double>(), read.const_data_ptr<double>() + terms_.size());
  for (const double term : losses.terms) losses.total += term;
  const double norm = read[-1].item<double>();
  losses.finite = std::isfinite(losses.total) && std::isfinite(norm);
  ++steps_;
  if (losses.finite) {  // from here on the weights change
    optimiser_->step(rate_share(), std::max(1.0, norm / kGradientLimit));
    move_teacher();
  } else {
    copy_buffers(teacher_->net(), *student_);  // the forward pass has put what is not finite into them
  }
  return losses;
}

void Trainer::move_teacher() {
  const torch::NoGradGuard no_grad;
  const double decay =
      warm_ ? train_.ema_decay : std::min(1 - 1 / static_cast<double>(steps_), train_.ema_decay);
  at::_foreach_lerp_(teacher_->net().parameters(), student_->parameters(), 1 - decay);
  copy_buffers(*student_, teacher_->net());  // BN statistics follow the student's
  teacher_->touched();
}

void Trainer::restart_from(const SegmentationNet& weights, EmaStart start) {
  auto fresh = std::make_unique<Optimiser>(*student_, train_);  // first, because it may find no memory
  copy_weights(weights, *student_);
  copy_weights(weights, teacher_->net());
  teacher_->touched();
  optimiser_ = std::move(fresh);
  optimiser_->drop_gradients();
  warm_ = start == EmaStart::warm;
  torn_ = false;
}

std::int64_t Trainer::state_bytes() const {
  return 2 * (stored_bytes(student_->parameters()) + stored_bytes(student_->buffers())) +
         optimiser_->stored_bytes();
}

void Trainer::save(TensorFile& file) const {
  put_net(*student_, "student.", file);
  put_net(teacher_->net(), "teacher.", file);
  drop_copies("student.", "teacher.", file);
  file.metadata["steps"] = std::to_string(steps_);
  file.metadata["warm"] = warm_ ? "yes" : "no";
  optimiser_->save(file);
  for (const auto& term : terms_) term.loss->save(file);
}

void Trainer::load(const TensorFile& file, const std::filesystem::path& path) {
  get_net(file, stored_prefix("student.", file), path, *student_);
  get_net(file, "teacher.", path, teacher_->net());
  teacher_->touched();
  steps_ = std::stoll(file.metadata.at("steps"));
  warm_ = file.metadata.contains("warm") && file.metadata.at("warm") == "yes";
  optimiser_ = std::make_unique<Optimiser>(*student_, train_);
  optimiser_->load(file, path);
  optimiser_->drop_gradients();
  for (auto& term : terms_) term.loss->load(file);
  torn_ = false;
}

}  // namespace driftloop::adapt

#include "adapt/train/trainer.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "adapt/losses/ohem.h"
#include "adapt/model/norm.h"
#include "adapt/model/weights.h"
#include "adapt/train/freeze.h"
#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

constexpr double kGradientLimit = 10;  // norm; only runaway steps are cut

at::Tensor joined(const std::vector<at::Tensor>& parts) {
  std::vector<at::Tensor> there;
  for (const auto& part : parts)
    if (part.defined()) there.push_back(part);
  DL_CHECK(!there.empty());
  return there.size() == 1 ? there[0] : at::cat(there);
}

std::int64_t count_of(const at::Tensor& images) {
  return images.defined() ? images.size(0) : 0;
}

/// Of the labelled images, source first; undefined = none.
at::Tensor labelled_padding(const Batch& batch) {
  if (!batch.source_padding.defined() && !batch.target_padding.defined()) return {};
  std::vector<at::Tensor> parts;
  for (const auto& [label, padding] : {std::pair(batch.source_label, batch.source_padding),
                                       std::pair(batch.target_label, batch.target_padding)})
    if (label.defined()) parts.push_back(padding.defined() ? padding : at::zeros_like(label, at::kBool));
  return at::cat(parts);
}

void require_head(const SegmentationNet& net, const std::string& name, Outputs wanted) {
  if (wants(wanted, Outputs::representation) && !wants(net.heads(), Outputs::representation))
    throw Error(
        "selftrain.contrast.weight: the contrastive loss needs a representation head, which the net '" +
        name + "' does not have; set it to 0 or use a deeplabv3plus net");
}

/// Of a net as long as this lives.
class PrecisionOf {
 public:
  PrecisionOf(SegmentationNet& net, Precision precision) : net_(net), before_(net.precision()) {
    net_.set_precision(precision);
  }
  ~PrecisionOf() { net_.set_precision(before_); }
  PrecisionOf(const PrecisionOf&) = delete;
  PrecisionOf& operator=(const PrecisionOf&) = delete;

 private:
  SegmentationNet& net_;
  Precision before_;
};

}  // namespace

/// What a step collects over its batches, on the device.
struct Trainer::Sums {
  at::Tensor term_t;    // value x weight of each term
  at::Tensor class_2c;  // class_probability_sums(); undefined when nobody asks
  SeenClasses seen;
  bool learns = false;
};

Trainer::Trainer(const ModelSpec& spec, const TrainOptions& train, const SelfTrainOptions& selftrain,
                 torch::Device device, std::uint64_t seed, const Ranks& ranks)
    : train_(train),
      selftrain_(selftrain),
      device_(device),
      ranks_(ranks),
      terms_(make_terms(loss_settings())),
      self_training_(train, selftrain, spec.label_space),
      teacher_(std::make_shared<PlacedNet>(spec, device, seed)) {
  student_ = make_net(spec.net, config::kClasses);
  student_->to(device);
  for (const auto& term : terms_) require_head(*student_, spec.net.name, term.loss->wants());
  freeze(*student_, train_.freeze);
  for (auto& module : student_->modules())
    if (auto* norm = module->as<NormImpl>()) norm->share(ranks);
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
  clock_.start();
  StepLosses losses = try_step(batch, random);
  clock_.end("optimiser and teacher's move");
  torn_ = false;
  return losses;
}

void Trainer::mend() {
  if (!torn_) return;
  optimiser_->drop_gradients();
  copy_buffers(teacher_->net(), *student_);  // the forward pass moved the BN statistics
  torn_ = false;
}

double Trainer::weight_of(const Term& term) const {
  return term.weight(loss_settings(), progress());
}

/// The teacher on the student's own images, as far as a term wants it.
void Trainer::look_again(StepContext& context, const Batch& batch, const at::Tensor& image_nhwc) {
  bool all = false, labels_wanted = false;
  Outputs outputs = Outputs::main;
  for (const auto& term : terms_) {
    if (weight_of(term) <= 0 || term.loss->teacher_sees() == TeacherSees::nothing_more) continue;
    all = all || term.loss->teacher_sees() == TeacherSees::all;
    labels_wanted = labels_wanted || term.loss->teacher_sees() == TeacherSees::labelled;
    outputs = outputs | term.loss->wants();
  }
  const std::int64_t labelled = count_of(batch.source_image) + count_of(batch.target_image);
  if (labelled == 0 || !(all || labels_wanted)) return;
  const torch::NoGradGuard no_grad;
  SegmentationNet& net = teacher_->net();
  context.teacher = net.run(net.normalised(all ? image_nhwc : image_nhwc.narrow(0, 0, labelled)), outputs);
  if (!labels_wanted) return;
  const auto prob = torch::softmax(upsample(context.teacher.logits_nchw.narrow(0, 0, labelled),
                                            image_nhwc.size(1), image_nhwc.size(2), context.teacher.corners),
                                   1);
  const auto labels = self_training_.pseudo_labels(prob, progress(), labelled_padding(batch));
  context.labelled = {0, {labels.label_nhw, labels.confidence_nhw}};
}

/// Forward and backward of one batch; `share` of its gradients is added to those there are.
void Trainer::learn_from(const Batch& batch, double share, config::Random& random, Sums& sums) {
  StepContext context;
  const auto source = self_training_.labelled({batch.source_image, batch.source_label}, batch.source_paste,
                                              device_, random),
             target = self_training_.labelled({batch.target_image, batch.target_label}, batch.target_paste,
                                              device_, random);
  context.source = {0, source.label_nhw};
  context.target = {count_of(source.image_nhwc), target.label_nhw};
  Taught taught;
  if (batch.weak_image.defined()) {
    taught = self_training_.teach(teacher_->net(), batch, progress(), device_, random);
    context.unlabelled = {context.target.first + count_of(target.image_nhwc), taught.strong.pseudo};
  }
  const auto image = joined({source.image_nhwc, target.image_nhwc, taught.strong.image_nhwc});
  look_again(context, batch, image);
  clock_.end("teacher and mixing");
  Outputs wanted = Outputs::main;
  for (const auto& term : terms_)
    if (weight_of(term) > 0) wanted = wanted | term.loss->wants();
  student_->train();
  context.output = student_->run(student_->normalised(image), wanted);
  clock_.end("student forward");
  if (self_training_.follows_confidence()) {
    const auto q = self_training_.confidence().values();
    context.class_confidence = at::tensor(at::ArrayRef<double>(q.data(), q.size())).to(device_);
    for (const auto* part : {&context.source, &context.target})
      if (part->present())
        sums.class_2c = sums.class_2c + class_probability_sums(part->of(context.output.logits_nchw.detach()),
                                                               part->label_nhw, context.output.corners);
  }

  auto total = at::zeros({}, device_);
  std::vector<at::Tensor> values;
  for (auto& term : terms_) {
    const double weight = share * weight_of(term);
    const auto value = weight > 0 ? term.loss->value(context) : at::Tensor();
    values.push_back(value.defined() ? weight * value.detach() : at::zeros({}, device_));
    if (value.defined()) total = total + weight * value;
  }
  sums.learns = sums.learns || total.requires_grad();
  // The norms of all ranks go back together, also where a rank has nothing to learn from.
  if (ranks_.count() > 1)
    for (const auto& map :
         {context.output.logits_nchw, context.output.aux_nchw, context.output.representation_nchw})
      if (map.defined()) total = total + 0 * map.sum();
  clock_.end("losses");
  if (total.requires_grad()) total.backward();
  clock_.end("backward");
  sums.term_t = sums.term_t + at::stack(values).to(at::kDouble);
  for (auto& id : taught.seen.frame_id) sums.seen.frame_id.push_back(std::move(id));
  for (auto& of_frame : taught.seen.share_c) sums.seen.share_c.push_back(std::move(of_frame));
}

/// What all ranks have seen, in the place of what this one has.
void Trainer::join_ranks(Sums& sums) {
  optimiser_->average_gradients(ranks_);
  const auto learns = at::full({1}, sums.learns ? 1.0 : 0.0, sums.term_t.options());
  auto parts = at::cat({sums.term_t / ranks_.count(), sums.class_2c.flatten(), learns});
  ranks_.sum(parts);
  const auto terms = sums.term_t.size(0);
  sums.term_t = parts.narrow(0, 0, terms);
  sums.class_2c = parts.slice(0, terms, -1).view(sums.class_2c.sizes());
  sums.learns = parts[-1].item<double>() > 0;
  TensorFile seen;
  if (!sums.seen.share_c.empty()) seen.tensors["share"] = at::stack(sums.seen.share_c);
  seen.metadata["frames"] = nlohmann::json(sums.seen.frame_id).dump();
  sums.seen = {};
  for (const auto& bytes : ranks_.gather(safetensors_bytes(seen))) {
    const TensorFile part = parse_safetensors(bytes, "a rank's message");
    const auto ids = nlohmann::json::parse(part.metadata.at("frames")).get<std::vector<std::string>>();
    sums.seen.frame_id.insert(sums.seen.frame_id.end(), ids.begin(), ids.end());
    if (ids.empty()) continue;
    for (const auto& share : part.tensors.at("share").unbind())
      sums.seen.share_c.push_back(share.to(device_));
  }
}

StepLosses Trainer::try_step(const Batch& batch, config::Random& random) {
  const auto on_device = at::TensorOptions(at::kDouble).device(device_);
  const auto term_count = static_cast<std::int64_t>(terms_.size());
  Sums sums{at::zeros({term_count}, on_device), at::zeros({2, config::kClasses}, on_device), {}};
  const auto precision = train_.precision == "bfloat16" ? Precision::bfloat16 : Precision::float32;
  const PrecisionOf of_student(*student_, precision), of_teacher(teacher_->net(), precision);
  optimiser_->drop_gradients();
  const auto batches = split(batch, train_.accumulate);
  for (const Batch& one : batches) learn_from(one, 1 / static_cast<double>(batches.size()), random, sums);
  if (ranks_.count() > 1) join_ranks(sums);
  clock_.end("other ranks");
  if (!sums.learns)
    throw Error(
        "no term of the loss has a weight for what there is to learn from: raise train.target_weight, "
        "train.source_weight_end or selftrain.weight, or give source images");
  std::vector<at::Tensor> parts{sums.term_t, optimiser_->gradient_norm().to(at::kDouble).view({1}),
                                sums.class_2c.flatten()};
  parts.insert(parts.end(), sums.seen.share_c.begin(), sums.seen.share_c.end());
  const auto read = at::cat(parts).cpu();  // the step's only wait for the device, but for what terms need
  StepLosses losses;
  losses.terms.assign(read.const_data_ptr<double>(), read.const_data_ptr<double>() + term_count);
  for (const double term : losses.terms) losses.total += term;
  const double norm = read[term_count].item<double>();
  losses.finite = std::isfinite(losses.total) && std::isfinite(norm);
  ++steps_;
  if (losses.finite) {  // from here on the weights change
    optimiser_->step(rate_share(), std::max(1.0, norm / kGradientLimit));
    move_teacher();
    constexpr std::int64_t kSums = 2 * config::kClasses;
    self_training_.follow(
        read.narrow(0, term_count + 1, kSums).view({2, config::kClasses}), sums.seen.frame_id,
        read.slice(0, term_count + 1 + kSums).view({-1, config::kClasses}), batch.cut.vanished);
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
  for (auto& term : terms_) term.loss->forget_nets();
  warm_ = start == EmaStart::warm;
  torn_ = false;
}

std::int64_t Trainer::state_bytes() const {
  std::int64_t bytes = 2 * (stored_bytes(student_->parameters()) + stored_bytes(student_->buffers())) +
                       optimiser_->stored_bytes() + self_training_.stored_bytes();
  for (const auto& term : terms_) bytes += term.loss->stored_bytes();
  return bytes;
}

void Trainer::save(TensorFile& file) const {
  put_net(*student_, "student.", file);
  put_net(teacher_->net(), "teacher.", file);
  drop_copies("student.", "teacher.", file);
  file.metadata["steps"] = std::to_string(steps_);
  file.metadata["warm"] = warm_ ? "yes" : "no";
  optimiser_->save(file);
  for (const auto& term : terms_) term.loss->save(file);
  self_training_.save(file);
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
  self_training_.load(file);
  torn_ = false;
}

}  // namespace driftloop::adapt

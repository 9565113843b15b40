#include "adapt/losses/consistency.h"

#include "adapt/losses/loss.h"
#include "adapt/losses/pixel_loss.h"
#include "adapt/losses/rank_mean.h"

namespace driftloop::adapt {
namespace {

class Consistency final : public Loss {
 public:
  Consistency(const LossSettings& settings, PseudoPart StepContext::*part, TeacherSees sees)
      : confidence_power_(settings.selftrain.confidence_power),
        sampled_(settings.selftrain.class_sampling),
        ranks_(settings.ranks),
        part_(part),
        sees_(sees) {}

  TeacherSees teacher_sees() const override { return sees_; }
  at::Tensor value(const StepContext& context) override {
    const PseudoPart& part = context.*part_;
    if (!part.present()) {
      nothing_over_ranks(ranks_, context.output.logits_nchw.device());
      return {};
    }
    ClassSampling sampling;
    if (sampled_) sampling = {context.class_confidence, at::rand_like(part.pseudo.confidence_nhw)};
    return consistency_loss(part.of(context.output.logits_nchw), part.pseudo, confidence_power_, sampling,
                            context.output.corners, ranks_);
  }

 private:
  double confidence_power_;
  bool sampled_;
  const Ranks& ranks_;
  PseudoPart StepContext::*part_;
  TeacherSees sees_;
};

}  // namespace

at::Tensor consistency_loss(const at::Tensor& student_nchw, const PseudoBatch& pseudo,
                            double confidence_power, const ClassSampling& sampling, Corners corners,
                            const Ranks& ranks) {
  constexpr double kTiny =
      1e-12;  // against nothing to divide by: all padding, or every class as sure as can be
  const at::Tensor& label = pseudo.label_nhw;
  auto weight = pseudo.confidence_nhw.pow(confidence_power);
  if (sampling.confidence_c.defined()) {
    const auto unsure = (1 - sampling.confidence_c).clamp_min(kTiny);
    const auto left_out = (1 - unsure / unsure.max()).to(sampling.uniform_nhw.scalar_type());
    const auto predicted =
        std::get<1>(upsample(student_nchw.detach(), label.size(1), label.size(2), corners).max(1));
    weight =
        weight * (sampling.uniform_nhw >= left_out.index_select(0, predicted.flatten()).view_as(predicted));
  }
  const auto loss = pixel_losses(student_nchw, pseudo.label_nhw, corners);  // 0 where nothing is kept
  return mean_over_ranks((loss * weight).sum(), weight.sum(), kTiny, ranks);
}

std::unique_ptr<Loss> make_consistency_loss(const LossSettings& settings) {
  return std::make_unique<Consistency>(settings, &StepContext::unlabelled, TeacherSees::nothing_more);
}

std::unique_ptr<Loss> make_labelled_consistency_loss(const LossSettings& settings) {
  return std::make_unique<Consistency>(settings, &StepContext::labelled, TeacherSees::labelled);
}

}  // namespace driftloop::adapt

#include "adapt/losses/consistency.h"

#include "adapt/losses/loss.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

class Consistency final : public Loss {
 public:
  explicit Consistency(double confidence_power) : confidence_power_(confidence_power) {}
  at::Tensor value(const StepContext& context) override {
    const PseudoPart& part = context.unlabelled;
    if (!part.present()) return {};
    return consistency_loss(part.of(context.output.logits_nchw, context.output.corners), part.pseudo,
                            confidence_power_);
  }

 private:
  double confidence_power_;
};

}  // namespace

at::Tensor consistency_loss(const at::Tensor& student_nchw, const PseudoBatch& pseudo,
                            double confidence_power) {
  const auto kept = pseudo.label_nhw != static_cast<std::int64_t>(config::kIgnore);
  const auto weight = pseudo.confidence_nhw.pow(confidence_power);
  const auto loss = -torch::log_softmax(student_nchw, 1)
                         .gather(1, pseudo.label_nhw.masked_fill(~kept, 0).unsqueeze(1))
                         .squeeze(1);
  return (loss * weight * kept).sum() / weight.sum();
}

std::unique_ptr<Loss> make_consistency_loss(const LossSettings& settings) {
  return std::make_unique<Consistency>(settings.selftrain.confidence_power);
}

}  // namespace driftloop::adapt

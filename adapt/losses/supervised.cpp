// The two terms with labels, of the source and of the target: the main logits and, lighter, the auxiliary
// head's.
#include "adapt/losses/class_balance.h"
#include "adapt/losses/loss.h"
#include "adapt/losses/ohem.h"
#include "adapt/losses/rank_mean.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

class Supervised final : public Loss {
 public:
  Supervised(const LossSettings& settings, const char* name, LabelledPart StepContext::*part)
      : ohem_{settings.train.ohem_threshold, settings.train.ohem_min_kept},
        aux_weight_(settings.train.aux_weight),
        balance_(name, settings.train.class_balance),
        ranks_(settings.ranks),
        part_(part) {}

  Outputs wants() const override { return aux_weight_ > 0 ? Outputs::aux : Outputs::main; }
  at::Tensor value(const StepContext& context) override {
    const LabelledPart& part = context.*part_;
    const NetOutput& out = context.output;
    if (!part.present()) return nothing(out);
    const auto weight = balance_.weights(part.label_nhw, ranks_);
    const auto of = [&](const at::Tensor& logits_nchw) {
      return ohem_cross_entropy(part.of(logits_nchw), part.label_nhw, ohem_, weight, out.corners, ranks_);
    };
    const auto loss = of(out.logits_nchw);
    return out.aux_nchw.defined() ? loss + aux_weight_ * of(out.aux_nchw)
                                  : loss;  // not every net has the head
  }
  void save(TensorFile& file) const override { balance_.save(file); }
  void load(const TensorFile& file) override { balance_.load(file); }

 private:
  /// Other ranks may have such images.
  at::Tensor nothing(const NetOutput& out) {
    if (ranks_.count() == 1) return {};
    const auto device = out.logits_nchw.device();
    balance_.weights(at::full({1}, config::kIgnore, at::TensorOptions(at::kLong).device(device)), ranks_);
    nothing_over_ranks(ranks_, device);
    if (out.aux_nchw.defined()) nothing_over_ranks(ranks_, device);
    return {};
  }

  OhemOptions ohem_;
  double aux_weight_;
  ClassBalance balance_;
  const Ranks& ranks_;
  LabelledPart StepContext::*part_;
};

}  // namespace

std::unique_ptr<Loss> make_source_loss(const LossSettings& settings) {
  return std::make_unique<Supervised>(settings, "source", &StepContext::source);
}

std::unique_ptr<Loss> make_target_loss(const LossSettings& settings) {
  return std::make_unique<Supervised>(settings, "target", &StepContext::target);
}

}  // namespace driftloop::adapt

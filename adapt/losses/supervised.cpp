// The two terms with labels, of the source and of the target: the main logits and, lighter, the auxiliary
// head's.
#include "adapt/losses/class_balance.h"
#include "adapt/losses/loss.h"
#include "adapt/losses/ohem.h"

namespace driftloop::adapt {
namespace {

class Supervised final : public Loss {
 public:
  Supervised(const TrainOptions& options, const char* name, LabelledPart StepContext::*part)
      : ohem_{options.ohem_threshold, options.ohem_min_kept},
        aux_weight_(options.aux_weight),
        balance_(name, options.class_balance),
        part_(part) {}

  Outputs wants() const override { return aux_weight_ > 0 ? Outputs::aux : Outputs::main; }
  at::Tensor value(const StepContext& context) override {
    const LabelledPart& part = context.*part_;
    if (!part.present()) return {};
    const NetOutput& out = context.output;
    const auto weight = balance_.weights(part.label_nhw);
    auto loss = ohem_cross_entropy(part.of(out.logits_nchw), part.label_nhw, ohem_, weight, out.corners);
    if (out.aux_nchw.defined())  // not every net has the head
      loss = loss + aux_weight_ *
                        ohem_cross_entropy(part.of(out.aux_nchw), part.label_nhw, ohem_, weight, out.corners);
    return loss;
  }
  void save(TensorFile& file) const override { balance_.save(file); }
  void load(const TensorFile& file) override { balance_.load(file); }

 private:
  OhemOptions ohem_;
  double aux_weight_;
  ClassBalance balance_;
  LabelledPart StepContext::*part_;
};

}  // namespace

std::unique_ptr<Loss> make_source_loss(const LossSettings& settings) {
  return std::make_unique<Supervised>(settings.train, "source", &StepContext::source);
}

std::unique_ptr<Loss> make_target_loss(const LossSettings& settings) {
  return std::make_unique<Supervised>(settings.train, "target", &StepContext::target);
}

}  // namespace driftloop::adapt

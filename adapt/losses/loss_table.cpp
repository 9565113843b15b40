// Every term of the loss: to add one, write its file and a line here.
#include <array>

#include "adapt/losses/loss.h"

namespace driftloop::adapt {
namespace {

constexpr std::array<config::NameEntry<LossEntry>, 5> kLosses{{
    {"source",
     "cross entropy of the hard pixels of labelled source images (method.md 3.1)",
     {[](const LossSettings& s, double at) { return 1 + (s.train.source_weight_end - 1) * at; },
      make_source_loss}},
    {"target",
     "the same on the regions that the lab returned, with a mean of its own",
     {[](const LossSettings& s, double) { return s.train.target_weight; }, make_target_loss}},
    {"consistency",
     "the student's strong view against the teacher's pseudo-labels (method.md 3.3)",
     {[](const LossSettings& s, double) { return s.selftrain.weight; }, make_consistency_loss}},
    {"labelled_consistency",
     "the same on the labelled images (method.md 3.3)",
     {[](const LossSettings& s, double) { return s.selftrain.labelled_weight; },
      make_labelled_consistency_loss}},
    {"contrast",
     "features of a class against its centre and features of other classes (method.md 3.5)",
     {[](const LossSettings& s, double at) {
        const auto& contrast = s.selftrain.contrast;
        return s.train.horizon_steps > 0 && at < contrast.start ? 0 : contrast.weight;
      },
      make_contrast_loss}},
}};

}  // namespace

std::span<const config::NameEntry<LossEntry>> loss_table() {
  return kLosses;
}

std::vector<Term> make_terms(const LossSettings& settings) {
  std::vector<Term> terms;
  for (const auto& entry : kLosses)
    if (entry.make.weight(settings, 0) > 0 || entry.make.weight(settings, 1) > 0)
      terms.push_back({std::string(entry.name), entry.make.weight, entry.make.make(settings)});
  return terms;
}

}  // namespace driftloop::adapt

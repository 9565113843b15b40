// Every term of the loss: to add one, write its file and a line here.
#include <array>

#include "adapt/losses/loss.h"

namespace driftloop::adapt {
namespace {

constexpr std::array<config::NameEntry<LossEntry>, 3> kLosses{{
    {"source",
     "cross entropy of the hard pixels of labelled source images (method.md 3.1)",
     {[](const LossSettings&) { return 1.0; }, make_source_loss}},
    {"target",
     "the same on the regions that the lab returned, with a mean of its own",
     {[](const LossSettings& s) { return s.train.target_weight; }, make_target_loss}},
    {"consistency",
     "the student's strong view against the teacher's pseudo-labels (method.md 3.3)",
     {[](const LossSettings& s) { return s.selftrain.weight; }, make_consistency_loss}},
}};

at::Tensor rows_of(const at::Tensor& nchw, std::int64_t first, const at::Tensor& label_nhw, Corners corners) {
  return upsample(nchw.narrow(0, first, label_nhw.size(0)), label_nhw.size(1), label_nhw.size(2), corners);
}

}  // namespace

std::span<const config::NameEntry<LossEntry>> loss_table() {
  return kLosses;
}

std::vector<Term> make_terms(const LossSettings& settings) {
  std::vector<Term> terms;
  for (const auto& entry : kLosses)
    if (const double weight = entry.make.weight(settings); weight > 0)
      terms.push_back({std::string(entry.name), weight, entry.make.make(settings)});
  return terms;
}

at::Tensor LabelledPart::of(const at::Tensor& nchw, Corners corners) const {
  return rows_of(nchw, first, label_nhw, corners);
}

at::Tensor PseudoPart::of(const at::Tensor& nchw, Corners corners) const {
  return rows_of(nchw, first, pseudo.label_nhw, corners);
}

}  // namespace driftloop::adapt

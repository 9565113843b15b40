// A term of the loss. A new one is a file beside this one and a line in loss_table.cpp: what it wants of the
// student's forward pass, its value from a step's context, and a state of its own that the checkpoint keeps.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapt/files/safetensors.h"
#include "adapt/model/segmentation_net.h"
#include "adapt/options.h"
#include "adapt/ranks.h"
#include "adapt/selftrain/pseudo_label.h"
#include "config/name_table.h"

namespace driftloop::adapt {

/// Images of the student's batch from `first` on, with their labels at full size.
struct LabelledPart {
  std::int64_t first = 0;
  at::Tensor label_nhw;  // int64, 255 ignored; undefined = the step has no such images

  bool present() const { return label_nhw.defined(); }
  /// The rows of this part of a map of the student's.
  at::Tensor of(const at::Tensor& nchw) const { return nchw.narrow(0, first, label_nhw.size(0)); }
};

/// The same with what the teacher says of them.
struct PseudoPart {
  std::int64_t first = 0;
  PseudoBatch pseudo;  // label undefined = the step has no such images

  bool present() const { return pseudo.label_nhw.defined(); }
  at::Tensor of(const at::Tensor& nchw) const { return nchw.narrow(0, first, pseudo.label_nhw.size(0)); }
};

/// Of which of the student's images the teacher's say is wanted, beside that on the weak view of the
/// unlabelled ones.
enum class TeacherSees { nothing_more, labelled, all };

struct StepContext {
  NetOutput output;  // of the student, for the whole batch: source, target, unlabelled
  LabelledPart source, target;
  PseudoPart unlabelled;        // mixed, as the student sees them
  PseudoPart labelled;          // source and target once more, where a term wants it
  NetOutput teacher;            // of the student's own images as far as a term wants it, labelled ones first
  at::Tensor class_confidence;  // (C) double, on the device of the logits (method.md 3.4)
};

class Loss {
 public:
  virtual ~Loss() = default;
  /// Of the student, and of the teacher where teacher_sees().
  virtual Outputs wants() const { return Outputs::main; }
  virtual TeacherSees teacher_sees() const { return TeacherSees::nothing_more; }
  /// A scalar with a gradient; undefined when the step holds nothing for it.
  virtual at::Tensor value(const StepContext& context) = 0;
  /// What a resumed run needs, under "loss.<name>.".
  virtual void save(TensorFile&) const {}
  virtual void load(const TensorFile&) {}
  /// What save() writes at most, beside a few hundred bytes.
  virtual std::int64_t stored_bytes() const { return 0; }
  /// The nets have got other weights: what came from the old ones is worth nothing.
  virtual void forget_nets() {}
};

struct LossSettings {
  const TrainOptions& train;
  const SelfTrainOptions& selftrain;
  torch::Device device = torch::kCPU;  // where the step runs
  const Ranks& ranks = Ranks::alone();
};

struct LossEntry {
  /// At a place of the schedule, 0 (its beginning) to 1; 0 = the term is left out.
  double (*weight)(const LossSettings&, double progress);
  std::unique_ptr<Loss> (*make)(const LossSettings&);
};

/// A term that the settings switch on, for the whole of the schedule or a part of it.
struct Term {
  std::string name;
  double (*weight)(const LossSettings&, double progress);
  std::unique_ptr<Loss> loss;
};

std::span<const config::NameEntry<LossEntry>> loss_table();
/// The terms with a weight at the beginning or at the end, in the order of the table.
std::vector<Term> make_terms(const LossSettings& settings);

std::unique_ptr<Loss> make_source_loss(const LossSettings& settings);
std::unique_ptr<Loss> make_target_loss(const LossSettings& settings);
std::unique_ptr<Loss> make_consistency_loss(const LossSettings& settings);
std::unique_ptr<Loss> make_labelled_consistency_loss(const LossSettings& settings);
std::unique_ptr<Loss> make_contrast_loss(const LossSettings& settings);

}  // namespace driftloop::adapt

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
#include "adapt/selftrain/pseudo_label.h"
#include "config/name_table.h"

namespace driftloop::adapt {

/// Images of the student's batch from `first` on, with their labels at full size.
struct LabelledPart {
  std::int64_t first = 0;
  at::Tensor label_nhw;  // int64, 255 ignored; undefined = the step has no such images

  bool present() const { return label_nhw.defined(); }
  /// The rows of this part of a map of the student's, upsampled to the labels.
  at::Tensor of(const at::Tensor& nchw, Corners corners) const;
};

/// The same with what the teacher says of them.
struct PseudoPart {
  std::int64_t first = 0;
  PseudoBatch pseudo;  // label undefined = the step has no such images

  bool present() const { return pseudo.label_nhw.defined(); }
  at::Tensor of(const at::Tensor& nchw, Corners corners) const;
};

struct StepContext {
  NetOutput output;  // of the student, for the whole batch
  LabelledPart source, target;
  PseudoPart unlabelled;
};

class Loss {
 public:
  virtual ~Loss() = default;
  virtual Outputs wants() const { return Outputs::main; }
  /// A scalar with a gradient; undefined when the step holds nothing for it.
  virtual at::Tensor value(const StepContext& context) = 0;
  /// What a resumed run needs, under "loss.<name>.".
  virtual void save(TensorFile&) const {}
  virtual void load(const TensorFile&) {}
};

struct LossSettings {
  const TrainOptions& train;
  const SelfTrainOptions& selftrain;
};

/// A term that the settings switch on.
struct Term {
  std::string name;
  double weight;
  std::unique_ptr<Loss> loss;
};

struct LossEntry {
  double (*weight)(const LossSettings&);  // 0 = off
  std::unique_ptr<Loss> (*make)(const LossSettings&);
};

std::span<const config::NameEntry<LossEntry>> loss_table();
/// The terms with a weight, in the order of the table.
std::vector<Term> make_terms(const LossSettings& settings);

std::unique_ptr<Loss> make_source_loss(const LossSettings& settings);
std::unique_ptr<Loss> make_target_loss(const LossSettings& settings);
std::unique_ptr<Loss> make_consistency_loss(const LossSettings& settings);

}  // namespace driftloop::adapt

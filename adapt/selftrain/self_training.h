// What a step shows the student beside its labels: the teacher's pseudo-labels, images mixed from others, and
// the state that this follows (class confidence, which classes are in which frame).
#pragma once
#include <string>
#include <vector>

#include "adapt/data/batch.h"
#include "adapt/files/safetensors.h"
#include "adapt/model/segmentation_net.h"
#include "adapt/options.h"
#include "adapt/selftrain/class_bank.h"
#include "adapt/selftrain/class_confidence.h"
#include "adapt/selftrain/copy_paste.h"
#include "adapt/selftrain/cutmix.h"
#include "config/random.h"

namespace driftloop::adapt {

/// The classes that the teacher saw in frames, for the bank.
struct SeenClasses {
  std::vector<std::string> frame_id;
  std::vector<at::Tensor> share_c;  // (C) double each, of the view's area
};

struct Taught {
  MixImages strong;  // on the device
  SeenClasses seen;  // empty unless CutMix is adaptive
};

class SelfTraining {
 public:
  SelfTraining(const TrainOptions& train, const SelfTrainOptions& options, const std::string& label_space);

  /// Whether anything follows the class confidence.
  bool follows_confidence() const;
  const ClassConfidence& confidence() const { return confidence_; }
  /// From which frames the next step's unlabelled images are to be mixed, one for each of them; none unless
  /// CutMix is adaptive.
  std::vector<CutWish> wishes(config::Random& random) const;

  /// A labelled part of a batch, on the device, with objects of other images in it.
  LabelledImages labelled(const LabelledImages& part, const PasteImages& paste, torch::Device device,
                          config::Random& random) const;
  /// What the teacher says of the unlabelled images of a batch, mixed.
  Taught teach(SegmentationNet& teacher, const Batch& batch, double progress, torch::Device device,
               config::Random& random) const;
  /// The labels to hold the student to where the teacher says `prob_nchw`; `padding_nhw` on the CPU.
  PseudoLabels pseudo_labels(const at::Tensor& prob_nchw, double progress,
                             const at::Tensor& padding_nhw) const;

  /// What a step has seen: class_probability_sums() of its labelled pixels, shares (frames, C) in the order
  /// of `frame_id`, both double and on the CPU, and frames that are gone.
  void follow(const at::Tensor& class_sums, const std::vector<std::string>& frame_id,
              const at::Tensor& share_nc, const std::vector<std::string>& vanished);

  void save(TensorFile& file) const;
  void load(const TensorFile& file);
  std::int64_t stored_bytes() const { return bank_.stored_bytes() + 512; }

 private:
  SelfTrainOptions options_;
  int unlabelled_;  // images of a step
  double paste_;    // probability
  PseudoLabelRule rule_;
  std::vector<int> rare_;
  ClassConfidence confidence_;
  ClassBank bank_;
};

}  // namespace driftloop::adapt

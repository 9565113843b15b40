// Confusion matrix and intersection over union. One matrix is filled over a whole split, then read.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "config/label_space.h"

namespace driftloop::adapt {

class Confusion {
 public:
  explicit Confusion(int classes);

  /// Counts every pixel whose label is a class; label 255 is skipped. Integer tensors of one shape and
  /// device, values of `prediction` in 0..classes-1 where the label counts. CheckError for any other value.
  void add(const at::Tensor& prediction, const at::Tensor& label);
  /// Adds the counts of another matrix of the same size (another worker's share).
  void add(const Confusion& other);

  /// The counts with labels and predictions renamed; those that become config::kIgnore are left out.
  Confusion renamed(const config::TrainIdTable& labels, const config::TrainIdTable& predictions) const;

  int classes() const { return classes_; }
  std::int64_t count(int label, int prediction) const;
  std::int64_t intersection(int c) const { return count(c, c); }
  std::int64_t label_area(int c) const;
  std::int64_t prediction_area(int c) const;
  std::int64_t union_area(int c) const { return label_area(c) + prediction_area(c) - intersection(c); }

  /// I / U in 0..1; NaN for a class in neither the labels nor the predictions.
  double iou(int c) const;
  /// Mean IoU over `class_ids`, the NaN ones left out; NaN when all are.
  double miou(std::span<const int> class_ids) const;
  double miou() const;  // over all classes
  /// Share of the counted pixels that are right; NaN when none was counted.
  double pixel_accuracy() const;

 private:
  int classes_;
  std::vector<std::int64_t> counts_;  // row = label, column = prediction
};

}  // namespace driftloop::adapt

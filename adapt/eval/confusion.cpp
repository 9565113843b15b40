#include "adapt/eval/confusion.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {

Confusion::Confusion(int classes)
    : classes_(classes), counts_(static_cast<std::size_t>(classes) * static_cast<std::size_t>(classes), 0) {
  DL_CHECK(classes > 0 && classes < config::kIgnore, classes);
}

void Confusion::add(const at::Tensor& prediction, const at::Tensor& label) {
  DL_CHECK(prediction.sizes() == label.sizes(), prediction.sizes(), label.sizes());
  const auto flat_label = label.reshape({-1}).to(at::kLong);
  const auto counted = flat_label != config::kIgnore;
  const auto labels = flat_label.masked_select(counted);
  const auto predictions = prediction.reshape({-1}).to(at::kLong).masked_select(counted);
  if (labels.numel() == 0) return;
  const auto low = at::minimum(labels.min(), predictions.min()).item<std::int64_t>();
  const auto high = at::maximum(labels.max(), predictions.max()).item<std::int64_t>();
  DL_CHECK(low >= 0 && high < classes_, low, high, classes_);
  const auto bins =
      at::bincount(labels * classes_ + predictions, {}, static_cast<std::int64_t>(counts_.size()))
          .to(at::kCPU);
  const auto* bin = bins.const_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += bin[i];
}

void Confusion::add(const Confusion& other) {
  DL_CHECK(other.classes_ == classes_, other.classes_, classes_);
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

Confusion Confusion::renamed(const config::TrainIdTable& labels,
                             const config::TrainIdTable& predictions) const {
  Confusion result(classes_);
  for (int l = 0; l < classes_; ++l)
    for (int p = 0; p < classes_; ++p) {
      const int label = labels[static_cast<std::size_t>(l)],
                prediction = predictions[static_cast<std::size_t>(p)];
      if (label == config::kIgnore || prediction == config::kIgnore) continue;
      DL_CHECK(label < classes_ && prediction < classes_, label, prediction);
      result.counts_[static_cast<std::size_t>(label * classes_ + prediction)] += count(l, p);
    }
  return result;
}

std::int64_t Confusion::count(int label, int prediction) const {
  DL_CHECK(label >= 0 && label < classes_ && prediction >= 0 && prediction < classes_, label, prediction);
  return counts_[static_cast<std::size_t>(label * classes_ + prediction)];
}

std::int64_t Confusion::label_area(int c) const {
  std::int64_t area = 0;
  for (int p = 0; p < classes_; ++p) area += count(c, p);
  return area;
}

std::int64_t Confusion::prediction_area(int c) const {
  std::int64_t area = 0;
  for (int l = 0; l < classes_; ++l) area += count(l, c);
  return area;
}

double Confusion::iou(int c) const {
  const auto area = union_area(c);
  if (area == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(intersection(c)) / static_cast<double>(area);
}

double Confusion::miou(std::span<const int> class_ids) const {
  double sum = 0;
  int present = 0;
  for (const int c : class_ids) {
    const double value = iou(c);
    if (std::isnan(value)) continue;
    sum += value;
    ++present;
  }
  return present == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / present;
}

double Confusion::miou() const {
  std::vector<int> all(static_cast<std::size_t>(classes_));
  std::iota(all.begin(), all.end(), 0);
  return miou(all);
}

double Confusion::pixel_accuracy() const {
  const auto total = std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0});
  if (total == 0) return std::numeric_limits<double>::quiet_NaN();
  std::int64_t right = 0;
  for (int c = 0; c < classes_; ++c) right += intersection(c);
  return static_cast<double>(right) / static_cast<double>(total);
}

}  // namespace driftloop::adapt

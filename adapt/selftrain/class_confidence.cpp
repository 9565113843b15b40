#include "adapt/selftrain/class_confidence.h"

#include "config/check.h"

namespace driftloop::adapt {
namespace {

constexpr double kMomentum = 0.999;  // the paper's
constexpr const char* kKey = "selftrain.class_confidence";

}  // namespace

void ClassConfidence::update(const at::Tensor& sums) {
  DL_CHECK(sums.size(0) == 2 && sums.size(1) == config::kClasses, sums.sizes());
  const auto sum = sums.accessor<double, 2>();
  for (int c = 0; c < config::kClasses; ++c)
    if (sum[1][c] > 0)
      value_[static_cast<std::size_t>(c)] =
          kMomentum * value_[static_cast<std::size_t>(c)] + (1 - kMomentum) * sum[0][c] / sum[1][c];
}

void ClassConfidence::save(TensorFile& file) const {
  file.tensors[kKey] = at::tensor(at::ArrayRef<double>(value_.data(), value_.size()));
}

void ClassConfidence::load(const TensorFile& file) {
  value_ = {};
  const auto found = file.tensors.find(kKey);
  if (found == file.tensors.end()) return;  // a state of before there was any
  const auto stored = found->second.to(at::kDouble).contiguous();
  if (stored.numel() != config::kClasses)
    throw Error("the state is damaged: its class confidence is not one number a class");
  std::copy_n(stored.const_data_ptr<double>(), value_.size(), value_.begin());
}

}  // namespace driftloop::adapt

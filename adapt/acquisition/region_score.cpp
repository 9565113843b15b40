#include "adapt/acquisition/region_score.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "config/check.h"
#ifdef DRIFTLOOP_CUDA_KERNELS
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "adapt/acquisition/region_score_cuda.h"
#endif

namespace driftloop::adapt {
namespace {

constexpr double kLogEpsilon = 1e-6;       // RIPU's code adds it inside the logarithm
constexpr std::int64_t kEntropyRows = 32;  // rows whose (C, rows, W) temporaries stay in the cache

void check_arguments(const at::Tensor& prob_chw, int side) {
  DL_CHECK(prob_chw.dim() == 3 && prob_chw.scalar_type() == at::kFloat, prob_chw.sizes());
  DL_CHECK(prob_chw.size(0) >= 2 && prob_chw.size(0) <= 255 && side >= 1 && side <= kMaxRegionPx,
           prob_chw.size(0), side);
}

/// Histograms of predicted classes: one per column over the window's rows, and the window's own while it
/// slides along a row. With n_c pixels of class c among N, entropy = log N - (1/N) sum n_c log n_c; the
/// published epsilon inside the logarithm takes 1e-6 off per class present (to first order, exact to 1e-10).
class ImpurityRows {
 public:
  /// Rows are then filled in ascending order from `first_y`.
  ImpurityRows(const WindowGrid& grid, std::int64_t first_y, int classes, const std::uint8_t* class_hw,
               const double* n_log_n)
      : grid_(grid),
        classes_(static_cast<std::size_t>(classes)),
        class_hw_(class_hw),
        n_log_n_(n_log_n),
        columns_(static_cast<std::size_t>(grid.width) * classes_, 0),
        window_(classes_, 0),
        rows_begin_(grid.first_row(first_y)),
        rows_end_(rows_begin_) {}

  void fill(std::int64_t y, float* out) {
    while (rows_end_ < grid_.end_row(y)) change_row(rows_end_++, 1);
    while (rows_begin_ < grid_.first_row(y)) change_row(rows_begin_++, -1);
    std::fill(window_.begin(), window_.end(), 0);
    std::int64_t begin = 0;
    std::int64_t end = 0;
    for (std::int64_t x = 0; x < grid_.out_width; ++x) {
      while (end < grid_.end_column(x)) add_column(end++);
      while (begin < grid_.first_column(x)) remove_column(begin++);
      out[x] = entropy((rows_end_ - rows_begin_) * (end - begin));
    }
  }

 private:
  void change_row(std::int64_t y, int step) {
    const std::uint8_t* row = class_hw_ + y * grid_.width;
    for (std::int64_t x = 0; x < grid_.width; ++x) {
      auto& n = columns_[static_cast<std::size_t>(x) * classes_ + row[x]];
      n = static_cast<std::uint16_t>(n + step);
    }
  }
  void add_column(std::int64_t x) {
    const auto* column = columns_.data() + static_cast<std::size_t>(x) * classes_;
    for (std::size_t c = 0; c < classes_; ++c) window_[c] += column[c];
  }
  void remove_column(std::int64_t x) {
    const auto* column = columns_.data() + static_cast<std::size_t>(x) * classes_;
    for (std::size_t c = 0; c < classes_; ++c) window_[c] -= column[c];
  }
  float entropy(std::int64_t pixels) const {
    double sum = 0;
    int present = 0;
    for (std::size_t c = 0; c < classes_; ++c) {
      sum += n_log_n_[window_[c]];
      present += window_[c] != 0;
    }
    const auto n = static_cast<double>(pixels);
    return static_cast<float>(((n_log_n_[pixels] - sum) / n - kLogEpsilon * present) /
                              std::log(static_cast<double>(classes_)));
  }

  const WindowGrid& grid_;
  std::size_t classes_;
  const std::uint8_t* class_hw_;
  const double* n_log_n_;
  std::vector<std::uint16_t> columns_;  // [x][class]
  std::vector<std::uint32_t> window_;   // up to kMaxRegionPx^2 pixels
  std::int64_t rows_begin_;
  std::int64_t rows_end_;
};

std::vector<double> n_log_n_table(int side) {
  std::vector<double> table(static_cast<std::size_t>(side) * static_cast<std::size_t>(side) + 1, 0.0);
  for (std::size_t n = 2; n < table.size(); ++n)
    table[n] = static_cast<double>(n) * std::log(static_cast<double>(n));
  return table;
}

at::Tensor window_impurity(const at::Tensor& class_hw, int classes, int side, Border border) {
  const WindowGrid grid(class_hw.size(0), class_hw.size(1), side, border);
  auto out = at::empty({grid.out_height, grid.out_width}, at::kFloat);
  if (out.numel() == 0) return out;
  const auto table = n_log_n_table(side);
  const auto* predicted = class_hw.const_data_ptr<std::uint8_t>();
  auto* result = out.data_ptr<float>();
  at::parallel_for(0, grid.out_height, rows_per_task(grid), [&](std::int64_t from, std::int64_t to) {
    ImpurityRows rows(grid, from, classes, predicted, table.data());
    for (std::int64_t y = from; y < to; ++y) rows.fill(y, result + y * grid.out_width);
  });
  return out;
}

#ifdef DRIFTLOOP_CUDA_KERNELS
RegionScore region_score_gpu(const at::Tensor& prob_chw, int side, Border border) {
  const c10::cuda::CUDAGuard guard(prob_chw.device());
  const auto prob = prob_chw.contiguous();
  const WindowGrid grid(prob.size(1), prob.size(2), side, border);
  const auto options = prob.options();
  const auto classes = at::empty({grid.height, grid.width}, options.dtype(at::kByte));
  const auto entropy = at::empty({grid.height, grid.width}, options);
  // One tensor for the three maps: one copy back.
  const auto maps = at::empty({3, grid.out_height, grid.out_width}, options);
  if (maps.numel() > 0) {
    const auto windows = grid.out_height * grid.out_width;
    auto* map = maps.data_ptr<float>();
    region_score_cuda({.prob_chw = prob.const_data_ptr<float>(),
                       .classes = static_cast<int>(prob.size(0)),
                       .height = static_cast<int>(grid.height),
                       .width = static_cast<int>(grid.width),
                       .side = side,
                       .before = static_cast<int>(grid.before),
                       .out_height = static_cast<int>(grid.out_height),
                       .out_width = static_cast<int>(grid.out_width),
                       .class_hw = classes.data_ptr<std::uint8_t>(),
                       .entropy_hw = entropy.data_ptr<float>(),
                       .impurity = map,
                       .uncertainty = map + windows,
                       .score = map + 2 * windows},
                      c10::cuda::getCurrentCUDAStream().stream());
  }
  const auto host = maps.to(at::kCPU);
  return {host[0], host[1], host[2]};
}
#endif

}  // namespace

at::Tensor normalised_entropy(const at::Tensor& prob_chw) {
  DL_CHECK(prob_chw.dim() == 3, prob_chw.sizes());
  const c10::NoGradGuard no_grad;
  const double scale = -1.0 / std::log(static_cast<double>(prob_chw.size(0)));
  const auto rows_entropy = [&](const at::Tensor& p) {
    return (p + kLogEpsilon).log_().mul_(p).sum(0).mul_(scale);
  };
  if (!prob_chw.is_cpu()) return rows_entropy(prob_chw);
  auto out = at::empty({prob_chw.size(1), prob_chw.size(2)}, prob_chw.options());
  for (std::int64_t y = 0; y < prob_chw.size(1); y += kEntropyRows) {
    const auto end = std::min(y + kEntropyRows, prob_chw.size(1));
    out.slice(0, y, end).copy_(rows_entropy(prob_chw.slice(1, y, end)));
  }
  return out;
}

RegionScore region_score_cpu(const at::Tensor& prob_chw, int side, Border border) {
  check_arguments(prob_chw, side);
  const c10::NoGradGuard no_grad;
  const auto prob = prob_chw.to(at::kCPU);
  RegionScore result;
  const auto class_hw = std::get<1>(prob.max(0)).to(at::kByte).contiguous();  // argmax(0) takes five times as long
  result.impurity = window_impurity(class_hw, static_cast<int>(prob.size(0)), side, border);
  result.uncertainty = window_mean(normalised_entropy(prob), side, border);
  result.score = result.impurity * result.uncertainty;
  return result;
}

RegionScore region_score(const at::Tensor& prob_chw, int side, Border border) {
  check_arguments(prob_chw, side);
#ifdef DRIFTLOOP_CUDA_KERNELS
  if (prob_chw.is_cuda()) return region_score_gpu(prob_chw, side, border);
#endif
  return region_score_cpu(prob_chw, side, border);
}

}  // namespace driftloop::adapt

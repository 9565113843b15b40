#include "adapt/model/depthwise.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "adapt/model/depthwise_kernel.h"
#include "adapt/model/traced.h"

namespace driftloop::adapt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kRowsAtOnce = 8, kChannelsAtOnce = 64;  // of a thread

at::Tensor channels_last(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}
at::Tensor empty_map(const at::Tensor& like, std::int64_t height, std::int64_t width) {
  return at::empty({like.size(0), like.size(1), height, width},
                   like.options().memory_format(at::MemoryFormat::ChannelsLast));
}
/// (C, 1, k, k) -> (k, k, C) in memory.
at::Tensor by_tap(const at::Tensor& weight) {
  return weight.squeeze(1).permute({1, 2, 0}).contiguous();
}

DepthwiseShape shape_of(const at::Tensor& x, const at::Tensor& weight, const DepthwisePlace& place) {
  const std::int64_t span = (weight.size(2) - 1) * place.dilation;
  return {.images = x.size(0),
          .channels = x.size(1),
          .in_height = x.size(2),
          .in_width = x.size(3),
          .out_height = (x.size(2) + place.pad_top + place.pad_bottom - span - 1) / place.stride + 1,
          .out_width = (x.size(3) + place.pad_left + place.pad_right - span - 1) / place.stride + 1,
          .kernel = weight.size(2),
          .stride = place.stride,
          .dilation = place.dilation,
          .pad_top = place.pad_top,
          .pad_left = place.pad_left};
}

at::Tensor run(const DepthwiseShape& shape, const at::Tensor& x, const at::Tensor& weight) {
  const auto taps = by_tap(weight);
  auto y = empty_map(x, shape.out_height, shape.out_width);
  const float* from = x.const_data_ptr<float>();
  const float* by = taps.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  at::parallel_for(
      0, shape.images * shape.out_height, kRowsAtOnce,
      [&](std::int64_t begin, std::int64_t end) { depthwise_rows(shape, from, by, to, begin, end); });
  return y;
}

struct Depthwise : torch::autograd::Function<Depthwise> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const DepthwisePlace& place) {
    const auto map = channels_last(x);
    context->save_for_backward({map, weight});
    context->saved_data["place"] = std::vector<std::int64_t>{
        place.stride, place.dilation, place.pad_top, place.pad_bottom, place.pad_left, place.pad_right};
    return run(shape_of(map, weight, place), map, weight);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto p = context->saved_data["place"].toIntVector();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const auto shape = shape_of(x, weight, {p[0], p[1], p[2], p[3], p[4], p[5]});
    const auto dy = channels_last(gradients[0]);
    at::Tensor dx, dweight;
    if (context->needs_input_grad(0)) {
      const auto taps = by_tap(weight);
      dx = empty_map(x, shape.in_height, shape.in_width);
      at::parallel_for(
          0, shape.images * shape.in_height, kRowsAtOnce, [&](std::int64_t begin, std::int64_t end) {
            depthwise_input_gradient(shape, dy.const_data_ptr<float>(), taps.const_data_ptr<float>(),
                                     dx.mutable_data_ptr<float>(), begin, end);
          });
    }
    if (context->needs_input_grad(1)) {
      auto taps = at::empty({shape.kernel, shape.kernel, shape.channels}, weight.options());
      const std::int64_t groups = (shape.channels + kChannelsAtOnce - 1) / kChannelsAtOnce;
      // Of fixed groups, so that the sums are the same whatever the threads.
      at::parallel_for(0, groups, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t group = begin; group < end; ++group) {
          const std::int64_t last = std::min((group + 1) * kChannelsAtOnce, shape.channels);
          const std::int64_t first = std::min(group * kChannelsAtOnce, last - 16);
          depthwise_weight_gradient(shape, dy.const_data_ptr<float>(), x.const_data_ptr<float>(),
                                    taps.mutable_data_ptr<float>(), first, last);
        }
      });
      dweight = taps.permute({2, 0, 1}).unsqueeze(1);
    }
    return {dx, dweight, {}};
  }
};

}  // namespace

at::Tensor depthwise(const at::Tensor& x, const at::Tensor& weight, const DepthwisePlace& place) {
  const std::int64_t kernel = weight.size(2);
  if (!x.is_cpu() || x.scalar_type() != at::kFloat || x.size(1) < 16 || (kernel != 3 && kernel != 5) ||
      is_traced()) {
    const auto padded =
        at::constant_pad_nd(x, {place.pad_left, place.pad_right, place.pad_top, place.pad_bottom});
    return at::conv2d(padded, weight, {}, place.stride, at::IntArrayRef(0), place.dilation, weight.size(0));
  }
  if (!at::GradMode::is_enabled()) {
    const auto map = channels_last(x);
    return run(shape_of(map, weight, place), map, weight);
  }
  return Depthwise::apply(x, weight, place);
}

}  // namespace driftloop::adapt

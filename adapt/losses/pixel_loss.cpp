#include "adapt/losses/pixel_loss.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "adapt/losses/pixel_loss_kernel.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

PixelLossShape shape_of(const at::Tensor& logits_nchw, const at::Tensor& label_nhw, bool corners_aligned) {
  return {logits_nchw.size(1), logits_nchw.size(2), logits_nchw.size(3),
          label_nhw.size(1),   label_nhw.size(2),   corners_aligned};
}

struct PixelLosses : torch::autograd::Function<PixelLosses> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits_nchw,
                            const at::Tensor& label_nhw, bool corners_aligned) {
    const auto logits = logits_nchw.contiguous(at::MemoryFormat::ChannelsLast);
    const auto label = label_nhw.contiguous();
    context->save_for_backward({logits, label});
    context->saved_data["corners_aligned"] = corners_aligned;
    const auto shape = shape_of(logits, label, corners_aligned);
    auto loss = at::empty(label.sizes(), logits.options().memory_format(at::MemoryFormat::Contiguous));
    const auto* from = logits.const_data_ptr<float>();
    const auto* wanted = label.const_data_ptr<std::int64_t>();
    auto* to = loss.mutable_data_ptr<float>();
    at::parallel_for(0, label.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n)
        pixel_loss_forward(shape, from + n * logits.stride(0), wanted + n * label.stride(0),
                           to + n * loss.stride(0));
    });
    return loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &logits = saved[0], &label = saved[1];
    const auto shape = shape_of(logits, label, context->saved_data["corners_aligned"].toBool());
    const auto dloss = gradients[0].contiguous();
    auto dlogits = at::zeros_like(logits);
    const auto* from = logits.const_data_ptr<float>();
    const auto* wanted = label.const_data_ptr<std::int64_t>();
    const auto* push = dloss.const_data_ptr<float>();
    auto* to = dlogits.mutable_data_ptr<float>();
    at::parallel_for(0, label.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n)
        pixel_loss_backward(shape, from + n * logits.stride(0), wanted + n * label.stride(0),
                            push + n * dloss.stride(0), to + n * logits.stride(0));
    });
    return {dlogits, {}, {}};
  }
};

}  // namespace

at::Tensor pixel_losses(const at::Tensor& logits_nchw, const at::Tensor& label_nhw, Corners corners) {
  if (logits_nchw.is_cpu() && logits_nchw.scalar_type() == at::kFloat && logits_nchw.numel() > 0)
    return PixelLosses::apply(logits_nchw, label_nhw, corners == Corners::aligned);
  const auto none = label_nhw == static_cast<std::int64_t>(config::kIgnore);
  const auto log_prob =
      torch::log_softmax(upsample(logits_nchw, label_nhw.size(1), label_nhw.size(2), corners), 1);
  return log_prob.gather(1, label_nhw.masked_fill(none, 0).unsqueeze(1))
      .squeeze(1)
      .neg()
      .masked_fill(none, 0);
}

}  // namespace driftloop::adapt

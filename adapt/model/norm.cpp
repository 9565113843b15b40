#include "adapt/model/norm.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>

#include "adapt/model/norm_kernel.h"
#include "adapt/model/traced.h"

namespace driftloop::adapt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kPixelsOfASum = 2048;  // fixed, so that sums are the same whatever the threads
constexpr std::int64_t kPixelsAtOnce = 512;   // of a thread

Clamp clamp_of(Activation activation) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  switch (activation) {
    case Activation::none:
      return {-kInfinity, kInfinity};
    case Activation::relu:
      return {0, kInfinity};
    case Activation::relu6:
      return {0, 6};
  }
  return {-kInfinity, kInfinity};
}

at::Tensor activated(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return at::relu(x);
    case Activation::relu6:
      return at::relu6(x);
  }
  return x;
}

/// A map (N, C, H, W), channels last, as rows of pixels.
struct Pixels {
  explicit Pixels(const at::Tensor& map)
      : data(map.const_data_ptr<float>()),
        channels(map.size(1)),
        count(map.size(0) * map.size(2) * map.size(3)) {}
  const float* data;
  std::int64_t channels, count;
};

/// Two sums for each channel, of chunks of the pixels: chunk(first, count, sum, other).
template <typename Chunk>
std::pair<at::Tensor, at::Tensor> summed(const Pixels& pixels, const Chunk& chunk) {
  const std::int64_t chunks = (pixels.count + kPixelsOfASum - 1) / kPixelsOfASum;
  auto parts = at::zeros({2, chunks, pixels.channels}, at::kDouble);
  double* data = parts.mutable_data_ptr<double>();
  at::parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i * kPixelsOfASum;
      chunk(first, std::min(kPixelsOfASum, pixels.count - first), data + i * pixels.channels,
            data + (chunks + i) * pixels.channels);
    }
  });
  const auto sums = parts.sum(1);
  return {sums[0], sums[1]};
}

template <typename Work>
void over_pixels(const Pixels& pixels, const Work& work) {
  at::parallel_for(0, pixels.count, kPixelsAtOnce,
                   [&](std::int64_t begin, std::int64_t end) { work(begin * pixels.channels, end - begin); });
}

struct Statistics {
  at::Tensor mean, variance;  // (C) double; the variance is the biased one
  double count = 0;           // pixels
};

/// Of all ranks' pixels together.
Statistics merged(const Statistics& own, const Ranks& ranks) {
  if (ranks.count() == 1) return own;
  auto sums = at::cat({own.count * own.mean, own.count * (own.variance + own.mean.square()),
                       at::full({1}, own.count, at::kDouble)});
  ranks.sum(sums);
  const auto channels = own.mean.size(0);
  const auto count = sums[2 * channels].item<double>();
  const auto mean = sums.narrow(0, 0, channels) / count;
  return {mean, (sums.narrow(0, channels, channels) / count - mean.square()).clamp_min(0), count};
}

Statistics statistics_of(const at::Tensor& map) {
  const Pixels x(map);
  // The first pixel: what is subtracted need only be of the channel's size.
  const auto [sum, square] =
      summed(x, [&](std::int64_t first, std::int64_t count, double* sums, double* squares) {
        norm_sums(x.data + first * x.channels, count, x.channels, x.data, sums, squares);
      });
  const auto base = at::from_blob(const_cast<float*>(x.data), {x.channels}, at::kFloat).to(at::kDouble);
  const auto mean = sum / x.count;
  return {mean + base, (square / x.count - mean * mean).clamp_min(0), static_cast<double>(x.count)};
}

at::Tensor applied(const at::Tensor& map, const at::Tensor& scale, const at::Tensor& offset, Clamp clamp) {
  const Pixels x(map);
  auto y = at::empty_like(map);
  float* to = y.mutable_data_ptr<float>();
  over_pixels(x, [&](std::int64_t at, std::int64_t count) {
    norm_apply(x.data + at, count, x.channels, scale.const_data_ptr<float>(), offset.const_data_ptr<float>(),
               clamp, to + at);
  });
  return y;
}

/// Whose statistics a map is normalised by: some that do not change, or those of `count` pixels of all ranks,
/// its own among them, through which the gradient flows then.
struct StatisticsOf {
  const Ranks* ranks = nullptr;  // null = they do not change
  double count = 0;
};

struct Normalise : torch::autograd::Function<Normalise> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& map, const at::Tensor& weight,
                            const at::Tensor& mean, const at::Tensor& inverse, const at::Tensor& bias,
                            const StatisticsOf& of, int activation) {
    const auto scale = (weight.to(at::kDouble) * inverse);
    const auto offset = (bias.to(at::kDouble) - mean * scale).to(at::kFloat);
    const auto scale_float = scale.to(at::kFloat);
    context->save_for_backward({map, mean, inverse, scale_float, offset});
    context->saved_data["ranks"] = reinterpret_cast<std::int64_t>(of.ranks);
    context->saved_data["count"] = of.count;
    context->saved_data["activation"] = static_cast<std::int64_t>(activation);
    return applied(map, scale_float, offset, clamp_of(static_cast<Activation>(activation)));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &map = saved[0], &mean = saved[1], &inverse = saved[2], &scale = saved[3],
                     &offset = saved[4];
    const auto* ranks = reinterpret_cast<const Ranks*>(context->saved_data["ranks"].toInt());
    const Clamp clamp = clamp_of(static_cast<Activation>(context->saved_data["activation"].toInt()));
    const auto incoming = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const Pixels x(map), dy(incoming);
    const auto shift = mean.to(at::kFloat);
    const float *a = scale.const_data_ptr<float>(), *b = offset.const_data_ptr<float>();
    const auto [sum, product] =
        summed(x, [&](std::int64_t first, std::int64_t count, double* sums, double* products) {
          norm_gradient_sums(dy.data + first * x.channels, x.data + first * x.channels, count, x.channels, a,
                             b, clamp, shift.const_data_ptr<float>(), sums, products);
        });
    const auto dweight = (product * inverse).to(at::kFloat), dbias = sum.to(at::kFloat);
    at::Tensor dx;
    if (context->needs_input_grad(0)) {
      // dx = scale (g - mean(g) - xhat mean(g xhat)), as a line in x.
      auto slope = at::zeros_like(mean), constant = at::zeros_like(mean);
      if (ranks != nullptr) {
        const double count = context->saved_data["count"].toDouble();
        auto sums = at::stack({sum, product});
        ranks->sum(sums);
        slope = -scale * inverse.square() * sums[1] / count;
        constant = -scale * sums[0] / count - slope * mean;
      }
      slope = slope.to(at::kFloat);
      constant = constant.to(at::kFloat);
      dx = at::empty_like(map);
      float* to = dx.mutable_data_ptr<float>();
      over_pixels(x, [&](std::int64_t at, std::int64_t count) {
        norm_input_gradient(dy.data + at, x.data + at, count, x.channels, a, b, clamp,
                            slope.const_data_ptr<float>(), constant.const_data_ptr<float>(), to + at);
      });
    }
    return {dx, dweight, {}, {}, dbias, {}, {}};
  }
};

/// A sum over ranks that the gradient passes: that of the sum of the ranks' losses.
struct SumOverRanks : torch::autograd::Function<SumOverRanks> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& part, const Ranks* ranks) {
    context->saved_data["ranks"] = reinterpret_cast<std::int64_t>(ranks);
    auto sum = part.clone();
    ranks->sum(sum);
    return sum;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    auto sum = gradients[0].clone();
    reinterpret_cast<const Ranks*>(context->saved_data["ranks"].toInt())->sum(sum);
    return {sum, {}};
  }
};

}  // namespace

NormImpl::NormImpl(std::int64_t channels, const NormOptions& options)
    : weight(register_parameter("weight", torch::ones({channels}))),
      bias(register_parameter("bias", torch::zeros({channels}))),
      running_mean(register_buffer("running_mean", torch::zeros({channels}))),
      running_var(register_buffer("running_var", torch::ones({channels}))),
      num_batches_tracked(register_buffer("num_batches_tracked", torch::zeros({}, torch::kLong))),
      options_(options) {}

void NormImpl::begin_estimate() {
  const torch::NoGradGuard no_grad;
  running_mean.zero_();
  running_var.fill_(1);
  estimated_batches_ = 0;
}

at::Tensor NormImpl::run(const at::Tensor& x, Activation activation) {
  const bool learns = is_training() && !frozen_;
  double momentum = options_.momentum;
  if (learns && estimated_batches_ >= 0) momentum = 1.0 / static_cast<double>(++estimated_batches_);
  if (learns) num_batches_tracked += 1;
  // On a CPU LibTorch goes over the map once more for each of the mean, the variance and the activation.
  if (x.is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat && x.dim() == 4 &&
      x.is_contiguous(at::MemoryFormat::ChannelsLast) && !x.is_contiguous() && !is_traced())
    return by_own_kernels(x, learns, momentum, activation);
  if (learns && ranks_->count() > 1) return activated(over_ranks(x, momentum), activation);
  return activated(at::batch_norm(x, weight, bias, running_mean, running_var, learns, momentum,
                                  options_.epsilon, at::globalContext().userEnabledCuDNN()),
                   activation);
}

/// The mean first and then the squares around it, so that floats keep their digits.
at::Tensor NormImpl::over_ranks(const at::Tensor& x, double momentum) {
  const auto of_channel = [](const at::Tensor& c) { return c.view({1, -1, 1, 1}); };
  const auto wide = x.to(at::kFloat);
  const auto own =
      at::full({1}, static_cast<double>(x.numel() / x.size(1)), wide.options().dtype(at::kDouble));
  const auto sums = SumOverRanks::apply(at::cat({wide.sum({0, 2, 3}, false, at::kDouble), own}), ranks_);
  const auto count = sums.slice(0, -1).detach();
  const auto mean = sums.slice(0, 0, -1) / count;
  const auto centred = wide - of_channel(mean.to(at::kFloat));
  const auto variance =
      SumOverRanks::apply(centred.square().sum({0, 2, 3}, false, at::kDouble), ranks_) / count;
  {
    const torch::NoGradGuard no_grad;
    running_mean.lerp_(mean.to(running_mean.scalar_type()), momentum);
    running_var.lerp_((variance * (count / (count - 1).clamp_min(1))).to(running_var.scalar_type()),
                      momentum);
  }
  const auto scale = weight.to(at::kFloat) * (variance + options_.epsilon).rsqrt().to(at::kFloat);
  return (centred * of_channel(scale) + of_channel(bias.to(at::kFloat))).to(x.scalar_type());
}

at::Tensor NormImpl::by_own_kernels(const at::Tensor& map, bool learns, double momentum,
                                    Activation activation) {
  Statistics statistics;
  {
    const torch::NoGradGuard no_grad;
    if (learns) {
      statistics = merged(statistics_of(map), *ranks_);
      const double count = statistics.count;
      running_mean.lerp_(statistics.mean.to(at::kFloat), momentum);
      running_var.lerp_((statistics.variance * (count / std::max(1.0, count - 1))).to(at::kFloat), momentum);
    } else {
      statistics = {running_mean.to(at::kDouble), running_var.to(at::kDouble), 0};
    }
  }
  return Normalise::apply(map, weight, statistics.mean, (statistics.variance + options_.epsilon).rsqrt(),
                          bias, StatisticsOf{learns ? ranks_ : nullptr, statistics.count},
                          static_cast<int>(activation));
}

}  // namespace driftloop::adapt

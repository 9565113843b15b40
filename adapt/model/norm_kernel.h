// The passes of batch normalisation with the activation that follows it, on a CPU: `pixels` rows of
// `channels` contiguous floats. y = clamp(x * scale + offset, lowest, highest). No LibTorch here; the caller
// spreads pixels over threads.
#pragma once

namespace driftloop::adapt {

/// The activation as a clamp: none = +-infinity, ReLU = 0 and infinity, ReLU6 = 0 and 6.
struct Clamp {
  float lowest, highest;
};

/// sum += x - shift, square += (x - shift)^2, for each channel. A shift near the mean keeps the digits.
void norm_sums(const float* x, long pixels, long channels, const float* shift, double* sum, double* square);
void norm_apply(const float* x, long pixels, long channels, const float* scale, const float* offset,
                Clamp clamp, float* y);
/// With g = dy where the clamp let x through and 0 elsewhere: sum += g, product += g * (x - shift).
void norm_gradient_sums(const float* dy, const float* x, long pixels, long channels, const float* scale,
                        const float* offset, Clamp clamp, const float* shift, double* sum, double* product);
/// dx = g * scale + x * slope + constant.
void norm_input_gradient(const float* dy, const float* x, long pixels, long channels, const float* scale,
                         const float* offset, Clamp clamp, const float* slope, const float* constant,
                         float* dx);

}  // namespace driftloop::adapt

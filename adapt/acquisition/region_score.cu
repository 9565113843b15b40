// RIPU's region score on the GPU; region_score_cpu is its twin and says what the numbers mean. Two kernels:
// one reads the (C, H, W) probabilities once (class and entropy per pixel), one slides windows down strips of
// rows.
#include <cuda_runtime.h>

#include <string>

#include "adapt/acquisition/region_score_cuda.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

constexpr int kThreads = 128;
constexpr float kLogEpsilon = 1e-6F;  // as in region_score.cpp

__global__ void class_and_entropy(RegionScoreJob job, float inverse_log_classes) {
  const long long pixels = static_cast<long long>(job.height) * job.width;
  const long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= pixels) return;
  float entropy = 0;
  float best = -1;
  int best_class = 0;
  for (int c = 0; c < job.classes; ++c) {
    const float p = job.prob_chw[c * pixels + i];
    entropy -= p * logf(p + kLogEpsilon);
    if (p > best) {
      best = p;
      best_class = c;
    }
  }
  job.class_hw[i] = static_cast<std::uint8_t>(best_class);
  job.entropy_hw[i] = entropy * inverse_log_classes;
}

/// Adds (step 1) or removes (step -1) the pixels first..end-1 of one row; returns the change of the entropy
/// sum. Each thread owns one column of `histogram`, so that lanes never meet in a bank and nothing needs a
/// barrier.
__device__ double change_row(const RegionScoreJob& job, unsigned* histogram, int y, int first, int end,
                             int step) {
  const long long row = static_cast<long long>(y) * job.width;
  double change = 0;
  for (int x = first; x < end; ++x) {
    histogram[job.class_hw[row + x] * kThreads] += static_cast<unsigned>(step);
    change += job.entropy_hw[row + x];
  }
  return step * change;
}

__device__ void write_window(const RegionScoreJob& job, const unsigned* histogram, double entropy_sum,
                             int pixels, long long out, float inverse_log_classes) {
  const float share = 1.0F / static_cast<float>(pixels);
  float entropy = 0;
  for (int c = 0; c < job.classes; ++c) {
    const unsigned n = histogram[c * kThreads];
    const float d = static_cast<float>(n) * share;
    if (n > 0) entropy -= d * logf(d + kLogEpsilon);
  }
  const float impurity = entropy * inverse_log_classes;
  const float uncertainty = static_cast<float>(entropy_sum / pixels);
  job.impurity[out] = impurity;
  job.uncertainty[out] = uncertainty;
  job.score[out] = impurity * uncertainty;
}

/// One thread = one column of windows over `strip` rows: 2 x side reads a window however large it is.
__global__ void slide_windows(RegionScoreJob job, int strip, float inverse_log_classes) {
  extern __shared__ unsigned histograms[];
  const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (x >= job.out_width) return;
  unsigned* histogram = histograms + threadIdx.x;
  for (int c = 0; c < job.classes; ++c) histogram[c * kThreads] = 0;
  const int first = max(x - job.before, 0);
  const int end = min(x - job.before + job.side, job.width);
  const int from = static_cast<int>(blockIdx.y) * strip;
  const int to = min(from + strip, job.out_height);
  int row_begin = max(from - job.before, 0);
  int row_end = row_begin;
  double entropy_sum = 0;
  for (int y = from; y < to; ++y) {
    for (const int stop = min(y - job.before + job.side, job.height); row_end < stop; ++row_end)
      entropy_sum += change_row(job, histogram, row_end, first, end, 1);
    for (const int stop = y - job.before; row_begin < stop; ++row_begin)
      entropy_sum += change_row(job, histogram, row_begin, first, end, -1);
    write_window(job, histogram, entropy_sum, (row_end - row_begin) * (end - first),
                 static_cast<long long>(y) * job.out_width + x, inverse_log_classes);
  }
}

/// By the function and not by <<< >>>, so that a C++ compiler understands it too: without a GPU the tests run
/// the kernels' threads as loops (tests/adapt/cuda_threads/).
template <class... Parameters>
void launch(const char* name, void (*kernel)(Parameters...), dim3 blocks, std::size_t shared_bytes,
            cudaStream_t stream, Parameters... arguments) {
  void* pointers[] = {&arguments...};
  const cudaError_t error = cudaLaunchKernel(kernel, blocks, dim3(kThreads), pointers, shared_bytes, stream);
  if (error != cudaSuccess) {
    cudaGetLastError();  // taken note of: the next launch does not report it again
    throw Error(std::string("cannot score regions on the GPU: ") + name + ": " + cudaGetErrorString(error));
  }
}

}  // namespace

void region_score_cuda(const RegionScoreJob& job, void* stream) {
  const auto on = static_cast<cudaStream_t>(stream);
  const float inverse_log_classes = 1.0F / logf(static_cast<float>(job.classes));
  const long long pixels = static_cast<long long>(job.height) * job.width;
  launch("class_and_entropy", class_and_entropy,
         dim3(static_cast<unsigned>((pixels + kThreads - 1) / kThreads)), 0, on, job, inverse_log_classes);

  // A strip's first window costs side^2 reads: strips of a few sides keep that small, and many strips keep
  // the GPU busy.
  const int strip = job.side < 16 ? 16 : 2 * job.side;
  const dim3 blocks(static_cast<unsigned>((job.out_width + kThreads - 1) / kThreads),
                    static_cast<unsigned>((job.out_height + strip - 1) / strip));
  const std::size_t shared_bytes = sizeof(unsigned) * kThreads * static_cast<std::size_t>(job.classes);
  // Above 48 KiB (more than 96 classes) the kernel must ask for its shared memory.
  if (cudaFuncSetAttribute(slide_windows, cudaFuncAttributeMaxDynamicSharedMemorySize,
                           static_cast<int>(shared_bytes)) != cudaSuccess) {
    cudaGetLastError();
    throw Error("cannot score regions on the GPU: " + std::to_string(job.classes) +
                " classes need more shared memory than it has");
  }
  launch("slide_windows", slide_windows, blocks, shared_bytes, on, job, strip, inverse_log_classes);
}

}  // namespace driftloop::adapt

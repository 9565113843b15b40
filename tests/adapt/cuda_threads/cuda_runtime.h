// Stands in for CUDA's header where a kernel's threads run as loops: enough of it for our .cu files, which
// the test includes as C++. A launch runs at once, one block after the other, the threads of a block in an
// order that the test chooses: a kernel without barriers must give the same in any.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__  // the test defines the arrays that a kernel declares

struct dim3 {
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  unsigned x, y, z;
};
inline dim3 blockIdx, blockDim, threadIdx, gridDim;
inline int min(int a, int b) {
  return std::min(a, b);
}
inline int max(int a, int b) {
  return std::max(a, b);
}

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorInvalidConfiguration = 9 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
using cudaStream_t = void*;

namespace cuda_threads {

constexpr std::size_t kSharedPerBlock = 48 * 1024;  // without asking for more

struct Machine {
  std::function<std::vector<unsigned>(unsigned threads)> order;  // in which a block's threads run
  std::function<void(std::size_t shared_bytes)> before_block;    // spoils the shared memory
  std::function<void(std::size_t shared_bytes)> after_block;     // and sees whether more of it was used
  std::size_t most_shared_bytes = 227 * 1024;                    // a block's, where it asks
  std::size_t allowed_shared_bytes = kSharedPerBlock;
  int launches = 0;
};
inline Machine machine;

template <class... Parameters, std::size_t... kIndex>
void call(void (*kernel)(Parameters...), void** arguments, std::index_sequence<kIndex...>) {
  kernel(*static_cast<Parameters*>(arguments[kIndex])...);
}

}  // namespace cuda_threads

inline cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "invalid argument";
}

template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel*, cudaFuncAttribute, int bytes) {
  auto& m = cuda_threads::machine;
  if (static_cast<std::size_t>(bytes) > m.most_shared_bytes) return cudaErrorInvalidValue;
  m.allowed_shared_bytes = std::max(cuda_threads::kSharedPerBlock, static_cast<std::size_t>(bytes));
  return cudaSuccess;
}

template <class... Parameters>
cudaError_t cudaLaunchKernel(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, void** arguments,
                             std::size_t shared_bytes, cudaStream_t) {
  auto& m = cuda_threads::machine;
  // What a GPU refuses.
  if (blocks.x == 0 || blocks.y == 0 || blocks.y > 65'535 || threads.x == 0 || threads.x > 1024)
    return cudaErrorInvalidConfiguration;
  if (shared_bytes > m.allowed_shared_bytes) return cudaErrorInvalidValue;
  ++m.launches;
  gridDim = blocks;
  blockDim = threads;
  // The last block first: nothing may depend on the blocks' order either.
  for (unsigned y = blocks.y; y-- > 0;)
    for (unsigned x = blocks.x; x-- > 0;) {
      blockIdx = dim3(x, y);
      if (m.before_block) m.before_block(shared_bytes);
      for (const unsigned thread : m.order(threads.x)) {
        threadIdx = dim3(thread);
        cuda_threads::call(kernel, arguments, std::index_sequence_for<Parameters...>{});
      }
      if (m.after_block) m.after_block(shared_bytes);
    }
  return cudaSuccess;
}

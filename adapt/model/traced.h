// Whether a net is being written down for an ONNX graph (onnx_trace.h): then it does with LibTorch's operations
// what it else does by kernels of its own, which nobody could translate.
#pragma once
#include <ATen/TracerMode.h>

namespace driftloop::adapt {

inline bool is_traced() {
  return at::tracer::impl::is_dispatch_enabled();
}

}  // namespace driftloop::adapt

// What a selection keeps of one frame once the teacher has looked at it.
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace driftloop::adapt {

/// Small tensors on the CPU, by name; each strategy has its own. None = nothing to ask there.
using Scan = std::map<std::string, at::Tensor>;

}  // namespace driftloop::adapt

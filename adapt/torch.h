// LibTorch for the sources of this room; precompiled once (adapt/CMakeLists.txt). Headers of the room include
// single ATen headers or this one; nothing outside adapt/ and the tests does.
#pragma once
#include <torch/torch.h>

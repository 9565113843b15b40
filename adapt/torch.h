// LibTorch for the sources of this room; precompiled once (adapt/CMakeLists.txt). Headers of the room include
// single ATen headers or this one; nothing outside adapt/ and the tests does. Not <torch/torch.h>: every file that includes it, precompiled
// or not, instantiates templates of modules, optimisers and data loaders that nobody here uses (8 s against 4 s for an empty file).
#pragma once
#include <torch/types.h>
#include <torch/utils.h>

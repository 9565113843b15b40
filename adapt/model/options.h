// Which net; no LibTorch in this header.
#pragma once
#include <string>

#include "config/fields.h"

namespace driftloop::adapt {

struct ModelOptions {
  std::string name = "deeplabv3plus_r18";
  double width = 1.0;
  int output_stride = 8;
  int aspp_rate = 12;
  double dropout = 0.1;
};
void describe(config::Fields& fields, ModelOptions& options);

/// What a weights file says of itself: enough to rebuild the net without a configuration.
struct ModelSpec {
  ModelOptions net;
  std::string label_space = "cityscapes19";  // that labels are folded into and scores are of
  int work_long_side_px = 0;                 // images are resized to this long side; 0 = as they are
};

struct RunsOn {
  std::string device = "auto";  // "cpu", "cuda", "cuda:1", or "auto" = CUDA where there is a GPU
  int threads = 0;              // CPU threads of LibTorch, for the whole process; 0 = its own choice
};

}  // namespace driftloop::adapt

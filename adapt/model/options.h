// Which net; no LibTorch in this header.
#pragma once
#include <string>

#include "config/fields.h"

namespace driftloop::adapt {

struct ModelOptions {
  std::string name = "deeplabv3plus_r18";
  double width = 1.0;     // multiplies every channel count
  int output_stride = 8;  // 8 as in the paper; 16 is about three times cheaper
  int aspp_rate = 12;     // the ASPP dilations are 1, 2 and 3 times this
  double dropout = 0.1;   // of the heads, as in the paper
};
void describe(config::Fields& fields, ModelOptions& options);

}  // namespace driftloop::adapt

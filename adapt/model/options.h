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

}  // namespace driftloop::adapt

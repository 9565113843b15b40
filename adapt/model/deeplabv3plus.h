// DeepLabV3+ as in the released code of STAL (method.md section 1): parameter names and shapes equal its
// checkpoints.
#pragma once
#include "adapt/model/resnet.h"
#include "adapt/model/segmentation_net.h"

namespace driftloop::adapt {

std::shared_ptr<SegmentationNet> make_deeplabv3plus(const ModelOptions& options, const ResNetShape& shape,
                                                    int classes);

}  // namespace driftloop::adapt

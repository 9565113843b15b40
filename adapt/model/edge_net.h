// EfficientNet-Lite with a light decoder to stride 4: the net for edge devices and for CPUs.
#pragma once
#include "adapt/model/efficientnet_lite.h"
#include "adapt/model/segmentation_net.h"

namespace driftloop::adapt {

std::shared_ptr<SegmentationNet> make_edge_net(const ModelOptions& options, const EfficientNetShape& shape,
                                               int classes);

}  // namespace driftloop::adapt

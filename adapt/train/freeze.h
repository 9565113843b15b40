// Parts of a net that do not learn.
#pragma once
#include <string>
#include <vector>

#include "adapt/model/segmentation_net.h"

namespace driftloop::adapt {

/// Each of `parts` is "backbone", "stride4" (the backbone up to its map at stride 4), "norm" (the statistics
/// of every batch norm, whose weights go on learning), or a parameter's name or a prefix of it up to a dot.
/// Frozen parameters take no gradient, and the statistics of a batch norm whose weight is frozen stay as they
/// are. Throws Error for a part that the net does not have, and when nothing is left to learn.
void freeze(SegmentationNet& net, const std::vector<std::string>& parts);

}  // namespace driftloop::adapt

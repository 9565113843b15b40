// mIoU of a net over a labelled data set.
#pragma once
#include <stop_token>

#include "adapt/data/dataset.h"
#include "adapt/model.h"
#include "adapt/model/placed_net.h"

namespace driftloop::adapt {

/// Over every labelled pixel of the data set (labels folded into the net's label space), whole images at the
/// working size: the scored classes of the label space by name.
Evaluation evaluate(const PlacedNet& net, const Dataset& dataset, std::stop_token stop);

}  // namespace driftloop::adapt

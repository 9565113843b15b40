// mIoU of a net over a labelled data set.
#pragma once
#include <stop_token>

#include "adapt/data/dataset.h"
#include "adapt/eval/confusion.h"
#include "adapt/model/placed_net.h"

namespace driftloop::adapt {

/// Counts every labelled pixel of the data set (labels folded into the net's label space), whole images at
/// the working size.
Confusion confusion_over(const PlacedNet& net, const Dataset& dataset, std::stop_token stop);

/// The scored classes of the label space by name.
Evaluation summarise(const Confusion& confusion, const std::string& label_space, std::int64_t images);

}  // namespace driftloop::adapt

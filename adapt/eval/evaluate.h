// mIoU of a net over a labelled data set.
#pragma once
#include <stop_token>

#include "adapt/data/dataset.h"
#include "adapt/eval/options.h"
#include "adapt/model.h"
#include "adapt/model/placed_net.h"

namespace driftloop::adapt {

/// Over every labelled pixel of the data set, labels folded into the net's label space: the scored classes of
/// the label space by name.
Evaluation evaluate(const PlacedNet& net, const Dataset& dataset, const EvalOptions& options,
                    std::stop_token stop);

/// What the net predicts, 8UC1 trainIds folded into its label space, and its probability of that, 32FC1.
FrameView view_frame(const PlacedNet& net, const cv::Mat& image_rgb, const EvalOptions& options);

}  // namespace driftloop::adapt

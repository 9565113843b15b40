// streetsim as a data set: frames are rendered when asked for.
#pragma once
#include <memory>
#include <string>

#include "adapt/data/dataset.h"

namespace driftloop::adapt {

/// `argument`: LOOK?frames=N&seed=S&width=W&height=H&stride=T (all after the look are optional: 400, 1, 320,
/// 192, 25). `stride` is the distance between two images in drive frames: 1 = a video, 25 = different places.
/// Throws Error for unknown keys or values.
std::unique_ptr<Dataset> open_streetsim(const std::string& argument, const std::string& split);

}  // namespace driftloop::adapt

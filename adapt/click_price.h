// What a tile may cost in clicks before any was answered. No LibTorch in this header.
#pragma once
#include "adapt/data/dataset.h"

namespace driftloop::adapt {

/// The mean of clicks_of() random tiles of some of `source`'s labels, folded into `space`, with a side of
/// `side_share` of the image's long side (one pixel at least); 1 where there are no images.
double click_price(const Dataset& source, const config::LabelSpace& space, double side_share);

}  // namespace driftloop::adapt

// AdaBN (Li et al. 2016): the batch-norm statistics of a net as they are on the target, its weights left
// alone.
#pragma once
#include "adapt/data/frame_pool.h"
#include "adapt/model/placed_net.h"

namespace driftloop::adapt {

/// Runs up to `frames` frames of the pool, drawn by `seed`, through the net in batches of four; the
/// statistics become the plain average over the batches. Without a frame nothing changes.
void estimate_norm(PlacedNet& net, const FramePool& pool, int frames, std::uint64_t seed);

}  // namespace driftloop::adapt

// How a map is enlarged to its image.
#pragma once

namespace driftloop::adapt {

/// The papers' align corners, or pixel centres (nets from TensorFlow).
enum class Corners { aligned, not_aligned };

}  // namespace driftloop::adapt

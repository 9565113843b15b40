// What an image goes through on its way into a net; no LibTorch in this header.
#pragma once

namespace driftloop::adapt {

// RGB, 0..255 scale: the ImageNet statistics that the released backbones were trained with.
inline constexpr float kMean[3] = {123.675F, 116.28F, 103.53F};
inline constexpr float kStd[3] = {58.395F, 57.12F, 57.375F};
inline constexpr int kLeastSidePx = 33;  // below it the deepest features are empty

}  // namespace driftloop::adapt

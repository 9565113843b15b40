// What strategies need of every pixel, from a prediction: no map of probabilities at the frame's size is made
// on the way (19 classes at 1024x2048 would be 160 MB, read several times).
#pragma once
#include "adapt/acquisition/strategy.h"
#include "adapt/acquisition/tile_features.h"

namespace driftloop::adapt {

enum class Map : unsigned { predicted = 1, confidence = 2, entropy = 4, margin = 8 };
constexpr Map operator|(Map a, Map b) {
  return static_cast<Map>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool wants(Map all, Map one) {
  return (static_cast<unsigned>(all) & static_cast<unsigned>(one)) != 0;
}

/// Each (H, W), dense, where the prediction is; undefined unless asked for.
struct PixelMaps {
  at::Tensor class_hw;       // uint8: the most probable class
  at::Tensor confidence_hw;  // float: its probability
  at::Tensor entropy_hw;     // float: H / log C
  at::Tensor margin_hw;      // float: 1 - (p of the most probable class - p of the second)
};

/// From logits on the CPU in one pass over rows, on all threads of LibTorch: confidence and margin within
/// 1e-5 of upsample() and softmax, entropy within 1e-5 + C 1e-6 / log C of normalised_entropy(), whose
/// epsilon it does without. From probabilities, or on a GPU, by LibTorch. C 2..255.
PixelMaps pixel_maps(const Prediction& prediction, Map wanted);

/// (C, H, W) at the frame's size.
at::Tensor probabilities(const Prediction& prediction);

/// (rows x columns of `grid`) int64: the class of each tile with the largest mean probability.
at::Tensor tile_classes(const Prediction& prediction, const TileGrid& grid);

}  // namespace driftloop::adapt
